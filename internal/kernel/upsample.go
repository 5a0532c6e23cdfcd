package kernel

// UpsampleNearest2x doubles height and width of one image x of h*w*c elements: y[2i+a][2j+b] = x[i][j].
func UpsampleNearest2x(y, x []float32, h, w, c int) {
	row := w * c
	for i := range h {
		top := y[4*i*row:][:2*row]
		for j := range w {
			px := x[i*row+j*c:][:c]
			copy(top[2*j*c:], px)
			copy(top[(2*j+1)*c:], px)
		}
		copy(y[(4*i+2)*row:][:2*row], top)
	}
}

// UpsampleNearest2xBackward sums the gradients of the four copies of each pixel: dx[i][j] (+)= the sum of
// dy[2i+a][2j+b].
func UpsampleNearest2xBackward(dx, dy []float32, h, w, c int, accumulate bool) {
	row := w * c
	for i := range h {
		for j := range w {
			d := dx[i*row+j*c:][:c]
			top, bottom := dy[4*i*row+2*j*c:][:2*c], dy[(4*i+2)*row+2*j*c:][:2*c]
			t0, t1, b0, b1 := top[:c], top[c:][:c], bottom[:c], bottom[c:][:c]
			for k := range d {
				s := (t0[k] + t1[k]) + (b0[k] + b1[k])
				if accumulate {
					s += d[k]
				}
				d[k] = s
			}
		}
	}
}
