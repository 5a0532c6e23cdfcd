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

// backwardGo is the backward chain on rows of width neighbouring channels, stride elements apart. block holds, for
// each channel of the row, scale and shift, then the sums of e and of e*x, which it adds to. The caller keeps rows
// within maxRows.
func backwardGo(dx, dres, dy, x, res, block []float32, rows, stride, width int, k *chain, flags uint64) {
	n := len(block) / 4
	scale, shift, sumE, sumEX := block[:n], block[n:2*n], block[2*n:3*n], block[3*n:]
	for r := range rows {
		for c := range width {
			i := r*stride + c
			e, xi := dy[i], float32(0)
			if flags&doX != 0 {
				xi = x[i]
			}
			if flags&(doMask|doLeaky) != 0 {
				v := float32(xi*scale[c]) + shift[c]
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
			if flags&doSums != 0 {
				sumE[c] += e
				sumEX[c] += float32(e * xi)
			}
			if flags&doDx != 0 {
				d := float32(e * scale[c])
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
}
