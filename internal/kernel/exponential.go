package kernel

import "math"

// Exp computes y = exp(x) to within 2 units in the last place; where x is not within -87.25 and 88.25, of the nearer one
// of these: no result is 0, subnormal or infinite. y may be x.
func Exp(y, x []float32) { impl.exp(y, x[:len(y)]) }

// Tanh computes y = tanh(x) to within 2 units in the last place. y may be x.
func Tanh(y, x []float32) { impl.tanh(y, x[:len(y)]) }

// TanhBackward computes dx (+)= dy*(1 - y*y) from y = tanh(x). dx may be dy or y.
func TanhBackward(dx, dy, y []float32, accumulate bool) {
	impl.tanhBackward(dx, dy[:len(dx)], y[:len(dx)], accumulate)
}

func expGo(y, x []float32) {
	for i, v := range x[:len(y)] {
		y[i] = float32(math.Exp(float64(max(-87.25, min(v, 88.25)))))
	}
}

func tanhGo(y, x []float32) {
	for i, v := range x[:len(y)] {
		y[i] = float32(math.Tanh(float64(v)))
	}
}

func tanhBackwardGo(dx, dy, y []float32, accumulate bool) {
	for i := range dx {
		d := dy[i] * (1 - float32(y[i]*y[i]))
		if accumulate {
			d = dx[i] + float32(d)
		}
		dx[i] = d
	}
}
