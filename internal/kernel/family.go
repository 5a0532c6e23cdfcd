package kernel

// family is one implementation of the loops that go over whole arrays: portable Go, or assembly for an instruction
// set. Each field is documented by its portable loop, NAMEGo.
type family struct {
	name  string
	block int // contiguous loops wrap around parameters whose length is a multiple of it, or is not exceeded
	lanes int // the floats of a vector, by which the blocks of row loops are laid out; 0: the whole row is one

	forward   func(y, x, res, scale, shift []float32, k *chain, flags uint64)
	backward  func(dx, dres, dy, x, res, block []float32, rows, stride, width int, k *chain, flags uint64)
	minMax    func(x, block []float32, rows, stride, width int)
	affine2   func(y, a, b, ka, kb, k0 []float32, accumulate bool)
	fakeQuant func(y, x, scale, lo, hi []float32)
	maskRange func(dx, dy, x, lo, hi []float32)

	stream       func(y, x []float32)
	add          func(y, a, b []float32)
	mul          func(y, a, b []float32)
	addRows      func(y, a, b []float32, k float32, rows, width, yStep, aStep, bStep int)
	axpy         func(y, x []float32, a float32)
	scaleBy      func(y []float32, a float32)
	exp          func(y, x []float32)
	tanh         func(y, x []float32)
	tanhBackward func(dx, dy, y []float32, accumulate bool)
	sgd          func(w, dw, v []float32, k sgdParams)
	adam         func(w, dw, m, v []float32, k adamParams)
}

// impl is the family in use, chosen once at start.
var impl family

var portable = family{
	name: "go", block: 1,
	forward: forwardGo, backward: backwardGo, minMax: minMaxGo, affine2: affine2Go, fakeQuant: fakeQuantGo, maskRange: maskRangeGo,
	stream: streamGo, add: addGo, mul: mulGo, addRows: addRowsGo, axpy: axpyGo, scaleBy: scaleByGo, exp: expGo, tanh: tanhGo, tanhBackward: tanhBackwardGo, sgd: sgdGo, adam: adamGo,
}

func init() {
	impl = portable
	for _, f := range families() {
		if f.name == selected.String() {
			impl = f
		}
	}
}
