package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// The convolution and its gradients against those of the map that is upsampled first.
func TestUpsampleConv(t *testing.T) {
	for _, isa := range supported() {
		t.Run(isa.String(), func(t *testing.T) {
			for _, s := range []struct{ h, w, cin, cout int }{
				{1, 1, 1, 1}, {1, 3, 3, 5}, {3, 1, 5, 3}, {2, 2, 15, 16}, {7, 8, 16, 17}, {8, 15, 17, 33}, {15, 7, 33, 15},
				{8, 8, 48, 64}, {2, 70, 4, 8}, {5, 17, 64, 31},
			} {
				t.Run(fmt.Sprint(s), func(t *testing.T) { checkUpsampleConv(t, isa, s.h, s.w, s.cin, s.cout) })
			}
		})
	}
}

func checkUpsampleConv(t *testing.T, isa isa, h, w, cin, cout int) {
	r := rand.New(rand.NewPCG(uint64(h*w), uint64(cin*cout)))
	s := ConvShape{H: 2 * h, W: 2 * w, Cin: cin, Cout: cout, KH: 3, KW: 3, StrideH: 1, StrideW: 1, DilH: 1, DilW: 1,
		PadTop: 1, PadLeft: 1, PadBottom: 1, PadRight: 1, Groups: 1}
	x, weights, dy := fenced(t, h*w*cin), normal(r, s.Weights()), fenced(t, 4*h*w*cout)
	copy(x, normal(r, len(x)))
	copy(dy, normal(r, len(dy)))
	large := make([]float32, 4*len(x))
	UpsampleNearest2x(large, x, h, w, cin)
	wantY, dlarge, wantDw := naiveConv(s, large, weights, dy)
	wantDx := make([]float64, len(x))
	for i, d := range dlarge {
		pixel, c := i/cin, i%cin
		wantDx[(pixel/(2*w)/2*w+pixel%(2*w)/2)*cin+c] += d
	}

	u := newUpsampleConv(h, w, cin, cout, isa)
	scratch := newOperand(t, u.ScratchLen(), nan)
	report := func(name string, got *operand, want []float64, depth int) {
		t.Helper()
		// Nine times as many roundings, as four neighbours' differences are taken.
		if err := got.compare(want, 9*depth); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := scratch.intact(); err != nil {
			t.Errorf("%s: scratch: %v", name, err)
		}
	}
	products := make([]float32, u.ProductsLen())
	u.Products(products, weights)
	packed, packedGrad := newOperand(t, u.PackedLen(), nan), newOperand(t, u.PackedGradLen(), nan)
	u.Pack(packed.data, products)
	u.PackGrad(packedGrad.data, products)

	y := newOperand(t, len(dy), nan)
	u.Forward(y.data, x, packed.data, scratch.data)
	report("Forward", y, wantY, 9*cin)

	dx, dproducts := newOperand(t, len(x), nan), newOperand(t, len(products), 0)
	u.Gradients(dx.data, dproducts.data, x, dy, packedGrad.data, scratch.data, false)
	report("dx", dx, wantDx, 36*cout)
	dw := newOperand(t, len(weights), 3)
	half := cin * cout / 2
	u.ProductsGrad(dw.data, dproducts.data, 0, half)
	u.ProductsGrad(dw.data, dproducts.data, half, cin*cout)
	for i := range wantDw {
		wantDw[i] += 3
	}
	report("dw", dw, wantDw, 4*h*w)

	u.Gradients(dx.data, nil, nil, dy, packedGrad.data, scratch.data, true)
	for i := range wantDx {
		wantDx[i] *= 2
	}
	report("dx, accumulating", dx, wantDx, 36*cout)
	before := append([]float32(nil), dproducts.data...)
	clear(dproducts.data)
	u.Gradients(nil, dproducts.data, x, dy, nil, scratch.data, false)
	for i, v := range before {
		if v != dproducts.data[i] {
			t.Fatalf("element %d of the weights' gradient is %v with dx, %v without", i, v, dproducts.data[i])
		}
	}
}
