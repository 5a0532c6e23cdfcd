package kernel

import (
	"math"
)

// Stream copies x to y, which is not read soon: past the cache, where the machine can.
func Stream(y, x []float32) { impl.stream(y, x[:len(y)]) }

// Add computes y = a + b. y may be a or b.
func Add(y, a, b []float32) { impl.add(y, a[:len(y)], b[:len(y)]) }

// Mul computes y = a*b, element by element. y may be a or b.
func Mul(y, a, b []float32) { impl.mul(y, a[:len(y)], b[:len(y)]) }

// Accumulate computes y += x.
func Accumulate(y, x []float32) { impl.add(y, y, x[:len(y)]) }

// Axpy computes y += a*x.
func Axpy(y []float32, a float32, x []float32) { impl.axpy(y, x[:len(y)], a) }

// ScaleBy computes y *= a.
func ScaleBy(y []float32, a float32) { impl.scaleBy(y, a) }

// Dot is the sum of a[i]*b[i]: float32 in runs of 256 additions, float64 beyond.
func Dot(a, b []float32) float64 {
	b = b[:len(a)]
	s := dots(a, b, 1)
	defer s.release()
	return s.sumEX[0]
}

// SumSquares is the sum of x[i]*x[i], summed as in Dot.
func SumSquares(x []float32) float64 { return Dot(x, x) }

// AbsDiffSum is the sum of |a[i]-b[i]|.
func AbsDiffSum(a, b []float32) float64 {
	b = b[:len(a)]
	var t float64
	for len(a) > 0 {
		n := min(len(a), maxRows)
		var s float32
		for i, v := range a[:n] {
			s += abs32(v - b[i])
		}
		t += float64(s)
		a, b = a[n:], b[n:]
	}
	return t
}

func abs32(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

// MinMax is the range of x, NaNs left out: (+Inf, -Inf) where nothing is left.
func MinMax(x []float32) (lo, hi float32) {
	var l, h [1]float32
	l[0], h[0] = float32(math.Inf(1)), float32(math.Inf(-1))
	ChannelMinMax(l[:], h[:], x, 1)
	return l[0], h[0]
}

func streamGo(y, x []float32) { copy(y, x) }

func addGo(y, a, b []float32) {
	for i := range y {
		y[i] = a[i] + b[i]
	}
}

func mulGo(y, a, b []float32) {
	for i := range y {
		y[i] = a[i] * b[i]
	}
}

// addRowsGo: y = a + k*b in rows of width elements, each array's so many elements apart. Nothing is checked.
func addRowsGo(y, a, b []float32, k float32, rows, width, yStep, aStep, bStep int) {
	for r := range rows {
		y, b := y[r*yStep:][:width], b[r*bStep:][:width]
		for i, v := range a[r*aStep:][:width] {
			y[i] = v + float32(k*b[i])
		}
	}
}

func axpyGo(y, x []float32, a float32) {
	for i := range y {
		y[i] += float32(a * x[i])
	}
}

func scaleByGo(y []float32, a float32) {
	for i := range y {
		y[i] *= a
	}
}
