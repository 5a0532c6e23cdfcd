package nn

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"zaq/internal/oracle"
	"zaq/internal/quant"
)

// preactivated is a network of which most BatchNorms follow a sum or a Concat.
func preactivated(t *testing.T) *Network {
	b := newGraph(13)
	x := b.node("Conv", b.input("x", 3, 8, 10), b.weights(4, 3, 3, 3), nums("pads", 1, 1, 1, 1))
	norm := func(x string, c int64) string {
		spread := []float32{0.02, -1.5, 0.3, 1, 0.7, -0.04, 2, 0.1}
		variance := []float32{1, 0.3, 2, 0.1, 1, 1, 0.5, 3}
		y := b.node("BatchNormalization", x, b.floats([]int64{c}, spread[:c]...), b.weights(c), b.weights(c), b.floats([]int64{c}, variance[:c]...))
		return b.node("Relu", y)
	}
	y := b.node("Conv", norm(x, 4), b.weights(4, 4, 3, 3), nums("pads", 1, 1, 1, 1))
	x = b.node("Concat", b.node("Add", x, y), y, num("axis", 1))
	y = b.node("GlobalAveragePool", norm(x, 8))
	b.output(b.node("Gemm", b.node("Flatten", y), b.weights(8, 5), b.weights(5)))
	return b.mustImport(t)
}

// A normalization that follows no Conv is a kernel of integers, one that loses nothing however few bits weights have, and
// it is none of the weights that a method rounds.
func TestQuantizeNorms(t *testing.T) {
	x := waves(2*3*8*10, 0.7)
	for _, o := range []PlaceOptions{
		{WBits: 8, ABits: 8}, {WBits: 4, ABits: 4}, {WBits: 2, ABits: 8, FirstLastBits: 8}, {WBits: 4, ABits: 8, PerTensor: true},
	} {
		for _, first := range []string{"folds", "places"} {
			t.Run(fmt.Sprintf("w%da%d, %s first", o.WBits, o.ABits, first), func(t *testing.T) {
				n := preactivated(t)
				fold := func() {
					if err := FoldBatchNorm(n); err != nil {
						t.Fatal(err)
					}
				}
				if first == "folds" {
					fold()
				}
				values := evaluate(t, n, x, 2)
				o.Scheme = Deploy
				p, err := Place(n, o)
				if err != nil {
					t.Fatal(err)
				}
				if len(p.Weights) != 3 {
					t.Errorf("%d weights are to be rounded, not 3", len(p.Weights))
				}
				if want := o.firstLastBits(); p.Weights[0].Quantizer.Bits != want || p.Weights[2].Quantizer.Bits != want {
					t.Error("first and last weights do not have their bits")
				}
				calibrate(t, p, values)
				fold()
				before := n.Clone()
				QuantizeNorms(n)
				norms := 0
				for l, w := range n.Weights() {
					if !n.scalesChannels(l) {
						continue
					}
					norms++
					if w.Quant == nil || w.Quant.Bits != quant.MaxBits || len(w.Quant.Scale) != w.Shape[0] {
						t.Fatalf("%s: weights with %+v", l.Name, w.Quant)
					}
					for c, v := range before.Values[w.Name].Data {
						if math.Abs(float64(w.Data[c]-v)) > 1e-6*math.Abs(float64(v)) {
							t.Errorf("%s: weight %d becomes %v, was %v", l.Name, c, w.Data[c], v)
						}
					}
				}
				if norms != 2 {
					t.Errorf("%d normalizations", norms)
				}
				path, back := write(t, n, ExportOptions{})
				InIntegers(back)
				want := evaluate(t, back, x, 2)[n.Outputs[0]]
				optimized := filepath.Join(t.TempDir(), "optimized.onnx")
				for _, level := range []string{oracle.Extended, oracle.All} {
					y := oracle.RunORT(t, path, input(back, x), oracle.ORTOptions{Level: level, SaveOptimized: optimized})
					if !slices.Equal(floats(t, y[0]), want) {
						t.Errorf("level %s: ONNX Runtime computes something else", level)
					}
				}
				if after := operators(t, optimized); after["QLinearConv"] != 4 || after["Conv"] > 0 {
					t.Errorf("ONNX Runtime runs %v", after)
				}
			})
		}
	}
}

// What a normalization reads in float leaves it in float, and so does a network without quantizers.
func TestQuantizeNormsFloat(t *testing.T) {
	n := preactivated(t)
	if err := FoldBatchNorm(n); err != nil {
		t.Fatal(err)
	}
	QuantizeNorms(n)
	for l, w := range n.Weights() {
		if w.Quant != nil {
			t.Errorf("%s: weights of a float network on a grid", l.Name)
		}
	}
}
