package nn

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/realdata"
)

// importFile reads one of the shared models.
func importFile(t *testing.T, elem ...string) *Network {
	t.Helper()
	m, err := onnx.ReadFile(realdata.Path(t, append([]string{"models"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	n, err := Import(m)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func readFloats(t *testing.T, path string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// distance returns max|a-b| / max|b|.
func distance(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	var diff, most float64
	for i := range a {
		diff = max(diff, math.Abs(float64(a[i])-float64(b[i])))
		most = max(most, math.Abs(float64(b[i])))
	}
	if diff == 0 {
		return 0
	}
	return diff / most
}

func evaluate(t *testing.T, n *Network, x []float32, batch int) map[string][]float32 {
	t.Helper()
	y, err := Reference(n, map[string][]float32{n.Inputs[0]: x}, batch)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

var cifarModels = []string{"resnet20_akamaster_cifar10", "resnet20_ehanw_cifar10", "resnet8_mlperftiny_cifar10"}

// TestModels runs the shared models on the input whose outputs ONNX Runtime computed.
func TestModels(t *testing.T) {
	models := map[string][]string{"cifar10": cifarModels}
	if !testing.Short() {
		models["imagenet"] = []string{"mobilenet_v1_0.75_224_imagenet", "mobilenet_v2_1.0_224_int8grid_bnfolded_imagenet"}
	}
	for set, names := range models {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				n := importFile(t, set, name+".onnx")
				var meta struct {
					Outputs []struct {
						Name, File string
						Shape      []int
					}
				}
				b, err := os.ReadFile(realdata.Path(t, "expected", name, "meta.json"))
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(b, &meta); err != nil {
					t.Fatal(err)
				}
				y := evaluate(t, n, readFloats(t, realdata.Path(t, "expected", name, "input.f32")), 1)
				for i, out := range meta.Outputs {
					if n.Outputs[i] != out.Name {
						t.Errorf("output %d is %q, want %q", i, n.Outputs[i], out.Name)
					}
					if d := distance(y[out.Name], readFloats(t, realdata.Path(t, "expected", name, out.File))); d > 1e-5 {
						t.Errorf("output %q is off by %g", out.Name, d)
					}
				}
				if n.BatchDim != "N" {
					t.Errorf("batch axis is %q, want N", n.BatchDim)
				}
			})
		}
	}
}
