package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"testing"
)

// awkwardShapes covers every way a convolution can fail to fit the tiles.
func awkwardShapes() []ConvShape {
	var shapes []ConvShape
	add := func(s ConvShape) {
		s.StrideH, s.StrideW = max(s.StrideH, 1), max(s.StrideW, 1)
		s.DilH, s.DilW, s.Groups = max(s.DilH, 1), max(s.DilW, 1), max(s.Groups, 1)
		shapes = append(shapes, s)
	}
	same := func(h, w, cin, cout, k int) ConvShape {
		return ConvShape{H: h, W: w, Cin: cin, Cout: cout, KH: k, KW: k, PadTop: k / 2, PadLeft: k / 2, PadBottom: k / 2, PadRight: k / 2}
	}
	for i, c := range []int{1, 3, 5, 8, 10, 15, 16, 17, 31, 33, 48, 64} {
		add(same(8, 7, c, 16, 3))
		add(same(7, 8, 16, c, 3))
		add(same(5, 13, c, c, 1))
		sizes := []int{1, 2, 5, 7, 8, 13, 32}
		for _, stride := range []int{2, 3} {
			s := same(sizes[i%7], sizes[(i+3)%7], c, 17, []int{1, 2, 3, 5, 7}[i%5])
			s.StrideH, s.StrideW = stride, stride
			add(s)
		}
	}
	for _, h := range []int{1, 2, 5, 7, 8, 13, 32} {
		for _, k := range []int{1, 2, 3, 5, 7} {
			add(same(h, h, 3, 10, k))
		}
		add(same(h, 32, 8, 33, 3))
		add(same(3, h, 16, 32, 3))
	}
	for stride := 1; stride <= 3; stride++ {
		s := ConvShape{H: 8, W: 13, Cin: 5, Cout: 10, KH: 3, KW: 3, PadBottom: 1, PadRight: 1, StrideH: stride, StrideW: stride}
		add(s)
		s.KW, s.PadLeft, s.StrideW = 2, 2, 1
		add(s)
		s.DilH, s.DilW = 2, 2
		add(s)
		s.KH, s.KW, s.PadTop, s.PadBottom = 1, 1, 1, 3 // whole rows of y see nothing
		add(s)
		s = same(9, 9, 16, 16, 3)
		s.DilH, s.DilW, s.StrideH, s.StrideW, s.PadTop, s.PadLeft = 2, 3, stride, stride, 2, 3
		add(s)
		for _, groups := range []int{2, 4, 8} {
			s := same(7, 8, 8, 24, 3)
			s.Groups, s.StrideH, s.StrideW = groups, stride, stride
			add(s)
			s.Cout = 8
			add(s)
		}
		for _, c := range []int{1, 3, 6} { // less than a vector
			s := same(13, 11, 33, c, 3)
			s.StrideH, s.StrideW = stride, stride
			add(s)
			s = same(11, 14, c, 33, 5)
			s.StrideH, s.StrideW = stride, 4-stride
			add(s)
		}
		s = same(13, 5, 33, 33, 3) // depthwise
		s.Groups, s.StrideH, s.StrideW = 33, stride, stride
		add(s)
		s.Cout = 66
		add(s)
		for i, k := range []int{1, 2, 3, 5, 7} { // depthwise
			c := []int{5, 16, 24, 40, 64}[i]
			s = same(8, 17-stride, c, c, k)
			s.Groups, s.StrideH, s.StrideW = c, stride, stride
			add(s)
			s.H, s.W, s.DilH, s.DilW = 23, 24, stride, 2
			s.PadLeft, s.PadRight = 0, 0
			add(s)
		}
	}
	for _, c := range []int{2, 7, 11, 14} { // depthwise, with every number of channels in a last vector of four
		s := same(6, 15, c, c, 3)
		s.Groups = c
		add(s)
	}
	add(ConvShape{H: 8, W: 8, Cin: 16, Cout: 32, KH: 1, KW: 1, StrideH: 2, StrideW: 2})
	add(ConvShape{H: 6, W: 6, Cin: 4, Cout: 4, KH: 2, KW: 2, StrideH: 2, StrideW: 2})
	add(ConvShape{H: 4, W: 6, Cin: 4, Cout: 20, KH: 4, KW: 6}) // one pixel
	// The middle row of y sees nothing.
	for _, pad := range []int{3, 6} {
		add(ConvShape{H: 2, W: 9, Cin: 5, Cout: 16, KH: 1, KW: 3, PadTop: pad, PadLeft: 1, PadRight: 1, PadBottom: 9 - pad})
	}
	add(ConvShape{H: 5, W: 40, Cin: 2, Cout: 40, KH: 3, KW: 3, PadLeft: 5, PadRight: 4})
	return shapes
}

func TestConv(t *testing.T) {
	for _, isa := range supported() {
		t.Run(isa.String(), func(t *testing.T) {
			for _, s := range awkwardShapes() {
				t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) { checkConv(t, s, newConv(s, isa, false)) })
			}
		})
	}
}

func checkConv(t *testing.T, s ConvShape, c *Conv) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // with a trace, should a kernel run into a fence
	r := rand.New(rand.NewPCG(uint64(s.H*s.W), uint64(s.Cin*s.Cout)))
	x, w := fenced(t, s.H*s.W*s.Cin), fenced(t, s.Weights())
	dy := fenced(t, s.OutH()*s.OutW()*s.Cout)
	for _, v := range [][]float32{x, w, dy} {
		copy(v, normal(r, len(v)))
	}
	wantY, wantDx, wantDw := naiveConv(s, x, w, dy)

	scratch := newOperand(t, c.ScratchLen(), nan)
	report := func(name string, got *operand, want []float64, depth int) {
		t.Helper()
		if err := got.compare(want, depth); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := scratch.intact(); err != nil {
			t.Errorf("%s: scratch: %v", name, err)
		}
	}

	packed := newOperand(t, c.PackedLen(), nan)
	c.Pack(packed.data, w)
	if err := packed.intact(); err != nil {
		t.Errorf("Pack: %v", err)
	}
	y := newOperand(t, len(dy), nan)
	c.Forward(y.data, x, packed.data, scratch.data)
	report("Forward", y, wantY, s.KH*s.KW*s.Cin/s.Groups)

	packed = newOperand(t, c.PackedGradLen(), nan)
	c.PackGrad(packed.data, w)
	if err := packed.intact(); err != nil {
		t.Errorf("PackGrad: %v", err)
	}
	dx := newOperand(t, len(x), nan)
	c.InputGrad(dx.data, dy, packed.data, scratch.data, false)
	report("InputGrad", dx, wantDx, s.KH*s.KW*s.Cout/s.Groups)
	for i := range wantDx {
		dx.data[i] = float32(i % 7)
		wantDx[i] += float64(i % 7)
	}
	c.InputGrad(dx.data, dy, packed.data, scratch.data, true)
	report("InputGrad, accumulating", dx, wantDx, s.KH*s.KW*s.Cout/s.Groups)

	dw := newOperand(t, len(w), nan)
	for i := range wantDw {
		dw.data[i] = float32(i % 5)
		wantDw[i] += float64(i % 5)
	}
	addWeightGrad(c, dw.data, x, dy, scratch.data, 1)
	report("WeightGrad", dw, wantDw, s.OutH()*s.OutW())
}

// addWeightGrad adds the gradient of images to dw, by way of the products where there are any.
func addWeightGrad(c *Conv, dw, x, dy, scratch []float32, images int) {
	if c.Products() == 0 {
		c.WeightGradBatch(images, dw, x, dy, scratch)
		return
	}
	n := c.shape.Cin * c.shape.Cout
	sums := make([]float32, c.Products()*n)
	c.WeightGradBatch(images, sums, x, dy, scratch)
	c.ProductsGrad(dw, sums, 0, n/3)
	c.ProductsGrad(dw, sums, n/3, n)
}

// A batch is what its images are one by one: the same bits, but for sums over it.
func TestConvBatch(t *testing.T) {
	const images = 3
	for _, isa := range supported() {
		t.Run(isa.String(), func(t *testing.T) {
			for i, s := range awkwardShapes() {
				if i%3 == 0 || s.KH*s.KW == 1 {
					t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) { checkConvBatch(t, s, newConv(s, isa, false), images) })
				}
			}
		})
	}
}

func checkConvBatch(t *testing.T, s ConvShape, c *Conv, images int) {
	r := rand.New(rand.NewPCG(uint64(s.H*s.W), uint64(s.Cin*s.Cout)))
	xn, yn := s.H*s.W*s.Cin, s.OutH()*s.OutW()*s.Cout
	x, w, dy := fenced(t, images*xn), normal(r, s.Weights()), fenced(t, images*yn)
	copy(x, normal(r, len(x)))
	copy(dy, normal(r, len(dy)))
	packed, packedGrad := make([]float32, c.PackedLen()), make([]float32, c.PackedGradLen())
	c.Pack(packed, w)
	c.PackGrad(packedGrad, w)
	scratch := newOperand(t, c.BatchScratchLen(images), nan)
	y, dx, dw := newOperand(t, len(dy), nan), newOperand(t, len(x), 1), newOperand(t, len(w), 1)
	c.ForwardBatch(images, y.data, x, packed, scratch.data)
	c.InputGradBatch(images, dx.data, dy, packedGrad, scratch.data, true)
	addWeightGrad(c, dw.data, x, dy, scratch.data, images)
	wantY, wantDx, wantDw := make([]float32, len(dy)), make([]float32, len(x)), make([]float64, len(w))
	for i := range wantDx {
		wantDx[i] = 1
	}
	for i := range images {
		c.Forward(wantY[i*yn:(i+1)*yn], x[i*xn:], packed, scratch.data)
		c.InputGrad(wantDx[i*xn:(i+1)*xn], dy[i*yn:], packedGrad, scratch.data, true)
		_, _, sum := naiveConv(s, x[i*xn:(i+1)*xn], w, dy[i*yn:(i+1)*yn])
		for j, v := range sum {
			wantDw[j] += v
		}
	}
	for i := range wantDw {
		wantDw[i]++
	}
	for i, v := range wantY {
		if y.data[i] != v {
			t.Fatalf("Forward: element %d is %v in the batch, %v alone", i, y.data[i], v)
		}
	}
	for i, v := range wantDx {
		if dx.data[i] != v {
			t.Fatalf("InputGrad: element %d is %v in the batch, %v alone", i, dx.data[i], v)
		}
	}
	if err := dw.compare(wantDw, images*s.OutH()*s.OutW()); err != nil {
		t.Errorf("WeightGrad: %v", err)
	}
	for _, o := range []*operand{scratch, y, dx} {
		if err := o.intact(); err != nil {
			t.Error(err)
		}
	}
}

// naiveConv is the definition of ConvShape, and of its two gradients, in float64.
func naiveConv(s ConvShape, x, w, dy []float32) (y, dx, dw []float64) {
	y, dx, dw = make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(w))
	cg, og := s.Cin/s.Groups, s.Cout/s.Groups
	for oy := range s.OutH() {
		for ox := range s.OutW() {
			for ky := range s.KH {
				for kx := range s.KW {
					iy, ix := oy*s.StrideH+ky*s.DilH-s.PadTop, ox*s.StrideW+kx*s.DilW-s.PadLeft
					if iy < 0 || iy >= s.H || ix < 0 || ix >= s.W {
						continue
					}
					for co := range s.Cout {
						for ci := range cg {
							xi, wi := (iy*s.W+ix)*s.Cin+co/og*cg+ci, ((ky*s.KW+kx)*cg+ci)*s.Cout+co
							yi := (oy*s.OutW()+ox)*s.Cout + co
							y[yi] += float64(x[xi]) * float64(w[wi])
							dx[xi] += float64(dy[yi]) * float64(w[wi])
							dw[wi] += float64(x[xi]) * float64(dy[yi])
						}
					}
				}
			}
		}
	}
	return y, dx, dw
}

// smallConv is a convolution of an image of 8 by 8 by 16.
var smallConv = ConvShape{H: 8, W: 8, Cin: 16, Cout: 16, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1,
	PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, Groups: 1}

func TestNothingIsAllocated(t *testing.T) {
	c := NewConv(smallConv)
	x, y, w := make([]float32, 1024), make([]float32, 1024), make([]float32, smallConv.Weights())
	packed, scratch := make([]float32, c.PackedLen()+c.PackedGradLen()), make([]float32, c.ScratchLen())
	if n := testing.AllocsPerRun(10, func() {
		c.Pack(packed, w)
		c.Forward(y, x, packed, scratch)
		c.PackGrad(packed, w)
		c.InputGrad(x, y, packed, scratch, true)
		c.WeightGrad(w, x, y, scratch)
		MatMul(y, x, w, 8, 16, 16, false)
		MatMulTA(y, x, w, 8, 16, 16)
	}); n >= 1 { // a buffer may have to be made anew
		t.Errorf("a training step allocates %v times", n)
	}
}

func TestConvIsConcurrent(t *testing.T) {
	c := NewConv(smallConv)
	r := rand.New(rand.NewPCG(1, 1))
	x, w := normal(r, 1024), normal(r, smallConv.Weights())
	packed := make([]float32, c.PackedLen())
	c.Pack(packed, w)
	var ys [4][1024]float32
	var wg sync.WaitGroup
	for i := range ys {
		wg.Go(func() { c.Forward(ys[i][:], x, packed, make([]float32, c.ScratchLen())) })
	}
	wg.Wait()
	for i := range ys {
		if ys[i] != ys[0] {
			t.Errorf("goroutines %d and 0 differ", i)
		}
	}
}

func TestConvShapeCheck(t *testing.T) {
	ok := ConvShape{H: 8, W: 8, Cin: 4, Cout: 6, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1, Groups: 2}
	if err := ok.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*ConvShape){
		"no rows":                         func(s *ConvShape) { s.H = 0 },
		"stride zero":                     func(s *ConvShape) { s.StrideW = 0 },
		"dilation zero":                   func(s *ConvShape) { s.DilH = 0 },
		"negative padding":                func(s *ConvShape) { s.PadRight = -1 },
		"groups":                          func(s *ConvShape) { s.Groups = 4 },
		"window too large":                func(s *ConvShape) { s.KH = 9 },
		"window too large for the stride": func(s *ConvShape) { s.KW, s.StrideW = 9, 3 },
	} {
		s := ok
		change(&s)
		if s.Check() == nil {
			t.Errorf("%s: %+v passes", name, s)
		}
	}
}

func TestShortOperandsPanic(t *testing.T) {
	c := NewConv(smallConv)
	defer func() {
		if r := fmt.Sprint(recover()); r != "kernel: y has 1023 elements, want 1024" {
			t.Errorf("recovered %q", r)
		}
	}()
	c.Forward(make([]float32, 1023), make([]float32, 1024), make([]float32, c.PackedLen()), make([]float32, c.ScratchLen()))
}

var nan = float32(math.NaN())

// operand is a slice with canaries before it, which show writes there, and a fence behind it.
type operand struct{ data, all []float32 }

const canaries = 64

func newOperand(t *testing.T, n int, fill float32) *operand {
	all := fenced(t, n+canaries)
	for i := range all {
		all[i] = fill
		if i < canaries {
			all[i] = -12345
		}
	}
	return &operand{all[canaries:], all}
}

func (o *operand) intact() error {
	for i, v := range o.all[:canaries] {
		if v != -12345 {
			return fmt.Errorf("written %d elements before the first", canaries-i)
		}
	}
	return nil
}

// compare allows for the rounding of sums of depth products of normal numbers.
func (o *operand) compare(want []float64, depth int) error {
	tolerance := 1e-6 * (4 + 3*math.Sqrt(float64(depth)))
	for i, w := range want {
		if d := math.Abs(float64(o.data[i]) - w); !(d <= tolerance*(1+math.Abs(w))) {
			return fmt.Errorf("element %d of %d is %v, want %v", i, len(want), o.data[i], w)
		}
	}
	return o.intact()
}

func normal(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}
