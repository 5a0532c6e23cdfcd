package kernel

// runGo is tile in portable Go: pairs of pixels by four channels. Products are converted so that no compiler
// contracts them with the sum.
func (t *tile) runGo() {
	for p := range t.count {
		p *= t.pixels
		at := t.xAt + p*t.xStep
		if t.depthwise {
			for i := range t.pixels {
				t.storeGo(p+i, t.sumDepthwiseGo(at+i*t.xStep))
			}
			continue
		}
		if t.pixels == 1 {
			t.storeGo(p, t.sumGo(at))
			continue
		}
		first, second := t.sumPairGo(at)
		t.storeGo(p, first)
		t.storeGo(p+1, second)
	}
}

// sumGo returns the four sums of the pixel at x[at].
func (t *tile) sumGo(at int) [4]float32 {
	var a0, a1, a2, a3 float32
	for _, tap := range t.taps {
		w, row := t.w[tap.w*t.wRow:], t.wRow
		for k, x := range t.x[at+tap.x:][:tap.k] {
			w := (*[4]float32)(w[k*row:])
			a0 += float32(x * w[0])
			a1 += float32(x * w[1])
			a2 += float32(x * w[2])
			a3 += float32(x * w[3])
		}
	}
	return [4]float32{a0, a1, a2, a3}
}

// sumPairGo returns the sums of the pixel at x[at] and of the one after it.
func (t *tile) sumPairGo(at int) (a, b [4]float32) {
	var a0, a1, a2, a3, b0, b1, b2, b3 float32
	for _, tap := range t.taps {
		w, row := t.w[tap.w*t.wRow:], t.wRow
		next := t.x[at+tap.x+t.xStep:][:tap.k]
		for k, x := range t.x[at+tap.x:][:len(next)] {
			w, z := (*[4]float32)(w[k*row:]), next[k]
			a0 += float32(x * w[0])
			a1 += float32(x * w[1])
			a2 += float32(x * w[2])
			a3 += float32(x * w[3])
			b0 += float32(z * w[0])
			b1 += float32(z * w[1])
			b2 += float32(z * w[2])
			b3 += float32(z * w[3])
		}
	}
	return [4]float32{a0, a1, a2, a3}, [4]float32{b0, b1, b2, b3}
}

// sumDepthwiseGo returns the four sums of the pixel at x[at], channel by channel.
func (t *tile) sumDepthwiseGo(at int) [4]float32 {
	var a0, a1, a2, a3 float32
	for _, tap := range t.taps {
		for k := range tap.k {
			x, w := t.x[at+tap.x+k*t.kStep:][:4], t.w[(tap.w+k)*t.wRow:][:4]
			a0 += float32(x[0] * w[0])
			a1 += float32(x[1] * w[1])
			a2 += float32(x[2] * w[2])
			a3 += float32(x[3] * w[3])
		}
	}
	return [4]float32{a0, a1, a2, a3}
}

// storeGo writes the sums of pixel p.
func (t *tile) storeGo(p int, sum [4]float32) {
	dst := t.dst[p*t.dstStep:][:t.lanes]
	with := dst
	if t.u != nil {
		with = t.u[p*t.uStep:][:t.lanes]
	}
	for c, s := range sum[:t.lanes] {
		if t.accumulate || t.u != nil {
			s += with[c]
		}
		dst[c] = s
	}
}

// runGo is gradTile in portable Go: pairs of entries by four channels.
func (t *gradTile) runGo() {
	if t.depthwise {
		for r := range t.entries {
			t.sumDepthwiseGo(t.dw[r*t.dwRow:], r*t.entryStep)
		}
		return
	}
	var a0, a1, a2, a3, b0, b1, b2, b3 float32
	second := t.entries - 1 // with one entry, the pair's second is a copy that is not stored
	for i := range t.rows {
		for j := range t.cols {
			at := i*t.xRow + j*t.xStep
			x, z := t.x[at], t.x[at+second]
			dy := t.dy[i*t.dyRow+j*t.dyStep:]
			if t.lanes < 4 {
				var tail [4]float32
				copy(tail[:], dy[:t.lanes])
				dy = tail[:]
			}
			dy = dy[:4]
			a0 += float32(x * dy[0])
			a1 += float32(x * dy[1])
			a2 += float32(x * dy[2])
			a3 += float32(x * dy[3])
			b0 += float32(z * dy[0])
			b1 += float32(z * dy[1])
			b2 += float32(z * dy[2])
			b3 += float32(z * dy[3])
		}
	}
	sums := [2][4]float32{{a0, a1, a2, a3}, {b0, b1, b2, b3}}
	for r, sum := range sums[:t.entries] {
		dw := t.dw[r*t.dwRow:]
		for c, s := range sum[:t.lanes] {
			dw[c] += s
		}
	}
}

// sumDepthwiseGo adds to dw the sums of the entry at x[at].
func (t *gradTile) sumDepthwiseGo(dw []float32, at int) {
	var sum [4]float32
	for i := range t.rows {
		for j := range t.cols {
			x, dy := t.x[at+i*t.xRow+j*t.xStep:], t.dy[i*t.dyRow+j*t.dyStep:]
			for c := range sum[:t.lanes] {
				sum[c] += float32(x[c] * dy[c])
			}
		}
	}
	for c, s := range sum[:t.lanes] {
		dw[c] += s
	}
}
