package engine

import (
	"encoding/binary"
	"math"
	"os"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/realdata"
)

// sharedFile reads a shared data file and skips the test where there is none.
func sharedFile(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(realdata.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func floats(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// Trained networks give what ONNX Runtime computed of a real image, in any place of a batch.
func TestPredictorOfTrainedNetworks(t *testing.T) {
	for _, name := range []string{"resnet20_akamaster_cifar10", "resnet20_ehanw_cifar10", "resnet8_mlperftiny_cifar10"} {
		t.Run(name, func(t *testing.T) {
			file, err := onnx.Decode(sharedFile(t, "models", "cifar10", name+".onnx"))
			if err != nil {
				t.Fatal(err)
			}
			net, err := nn.Import(file)
			if err != nil {
				t.Fatal(err)
			}
			const batch = 3
			p, err := NewPredictor(net, batch, 0)
			if err != nil {
				t.Fatal(err)
			}
			image := floats(sharedFile(t, "expected", name, "input.f32"))
			size := len(image) / 3
			for i := range p.Input() { // [3, H, W] to [H, W, 3]
				p.Input()[i] = image[i%3*size+i/3%size]
			}
			if err := p.Run(); err != nil {
				t.Fatal(err)
			}
			want := floats(sharedFile(t, "expected", name, "output0.f32"))
			if len(p.Output(0)) != batch*len(want) {
				t.Fatalf("%d outputs for %d images, want %d each", len(p.Output(0)), batch, len(want))
			}
			var off, most float64
			for i, v := range p.Output(0) {
				w := float64(want[i%len(want)])
				off, most = max(off, math.Abs(float64(v)-w)), max(most, math.Abs(w))
			}
			t.Logf("off by %.2g", off/most)
			if !(off <= 1e-3*most) {
				t.Errorf("off by %g of %g", off, most)
			}
		})
	}
}
