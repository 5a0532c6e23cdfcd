package method

import (
	"context"
	"math"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/random"
)

// Statistics that are measured are those of the reference evaluator's outputs.
func TestMeasureStats(t *testing.T) {
	net := tinyNet(t)
	if err := nn.FoldBatchNorm(net); err != nil {
		t.Fatal(err)
	}
	for _, v := range net.Values {
		v.Stats = nil
	}
	name, c, h, w, err := net.ImageInput()
	if err != nil {
		t.Fatal(err)
	}
	const n = 2*measurePart + 5
	nhwc := make([]float32, n*h*w*c)
	random.New(1, 0, "images").Normal(nhwc)
	if err := measureStats(context.Background(), net, nhwc, 2); err != nil {
		t.Fatal(err)
	}
	nchw := make([]float32, len(nhwc))
	for i, v := range nhwc {
		image, pixel, channel := i/(h*w*c), i/c%(h*w), i%c
		nchw[(image*c+channel)*h*w+pixel] = v
	}
	for l := range net.Weights() {
		out := net.Output(l)
		part := net.Clone()
		part.Outputs = []string{out.Name}
		values, err := nn.Reference(part, map[string][]float32{name: nchw}, n)
		if err != nil {
			t.Fatal(err)
		}
		channels := out.Shape[1]
		plane := len(values[out.Name]) / n / channels
		for ch := range channels {
			var sum, squares float64
			for image := range n {
				for _, v := range values[out.Name][(image*channels+ch)*plane : (image*channels+ch+1)*plane] {
					sum, squares = sum+float64(v), squares+float64(v)*float64(v)
				}
			}
			mean := sum / float64(n*plane)
			std := math.Sqrt(squares/float64(n*plane) - mean*mean)
			if math.Abs(float64(out.Stats.Mean[ch])-mean) > 1e-4*(1+math.Abs(mean)) || math.Abs(float64(out.Stats.Std[ch])-std) > 1e-3*(1+std) {
				t.Errorf("%s, channel %d: %v, deviation %v; want %v, %v", l.Name, ch, out.Stats.Mean[ch], out.Stats.Std[ch], mean, std)
			}
		}
	}
}
