package kernel

// forwardGo is the forward chain on len(y) elements; element i takes the parameters i%len(scale).
func forwardGo(y, x, res, scale, shift []float32, k *chain, flags uint64) {
	x = x[:len(y)]
	j := 0
	for i, v := range x {
		if flags&doAffine != 0 {
			v = float32(v*scale[j]) + shift[j]
			if j++; j == len(scale) {
				j = 0
			}
		}
		if flags&doRes != 0 {
			v += res[i]
		}
		if flags&doLeaky != 0 && v < 0 {
			v *= k.alpha
		}
		if v < k.lo {
			v = k.lo
		}
		if v > k.hi {
			v = k.hi
		}
		if flags&doQuant != 0 {
			v = toGrid(v, k.qscale)
		}
		y[i] = v
	}
}

// backwardGo is the backward chain on rows of width neighbouring channels, stride elements apart. Slices start at the
// first element; scale, shift and the sums at its channel. The caller keeps rows within 256.
func backwardGo(dx, dres, dy, x, res, scale, shift []float32, sumE, sumEX []float64, rows, stride, width int,
	k *chain, flags uint64) {

	var sum, sumX [columnPad]float32
	for r := range rows {
		for c := range width {
			i := r*stride + c
			s, t := float32(1), float32(0)
			if flags&doAffine != 0 {
				s, t = scale[c], shift[c]
			}
			e, xi := dy[i], float32(0)
			if flags&doX != 0 {
				xi = x[i]
			}
			if flags&(doMask|doLeaky) != 0 {
				v := float32(xi*s) + t
				if flags&doRes != 0 {
					v += res[i]
				}
				slope := float32(1)
				if flags&doLeaky != 0 && v <= 0 {
					slope = k.alpha
					v *= slope
				}
				if flags&doMask != 0 && !(v >= k.passLo && v <= k.passHi) {
					e = 0
				}
				e *= slope
			}
			sum[c] += e
			sumX[c] += float32(e * xi)
			if flags&doDx != 0 {
				d := float32(e * s)
				if flags&doAddDx != 0 {
					d += dx[i]
				}
				dx[i] = d
			}
			if flags&doDres != 0 {
				if flags&doAddDres != 0 {
					e += dres[i]
				}
				dres[i] = e
			}
		}
	}
	if flags&doSums != 0 {
		for c := range width {
			sumE[c] += float64(sum[c])
			sumEX[c] += float64(sumX[c])
		}
	}
}
