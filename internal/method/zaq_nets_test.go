package method

import (
	"context"
	"errors"
	"strings"
	"testing"

	"zaq/internal/nn"
)

// Networks that have neither sums nor activation functions are compared by what their convolutions make.
func TestZAQOfPlainNetworks(t *testing.T) {
	for _, lone := range []bool{false, true} { // a single convolution, whose map is the output
		for _, o := range []nn.PlaceOptions{
			{Scheme: nn.Deploy, WBits: 4, ABits: 8},
			{Scheme: nn.Deploy, WBits: 4, ABits: 8, PerTensor: true},
			{Scheme: nn.Paper, WBits: 4, ABits: 8},
		} {
			net := tinyNet(t)
			head := net.Layers[len(net.Layers)-3:] // pooling, Flatten, Gemm
			net.Layers = net.Layers[:2]            // a convolution with batch normalization
			if lone {
				net.Outputs = []string{"bn1"}
			} else {
				head[0].In[0] = "bn1"
				net.Values["fc.weight"].Data, net.Values["fc.weight"].Shape = net.Values["fc.weight"].Data[:20], []int{5, 4}
				net.Layers = append(net.Layers, head...)
			}
			if err := nn.InferShapes(net); err != nil {
				t.Fatal(err)
			}
			options := tiny(t)
			options.Place, options.Tune.Steps = o, 2
			r, err := ZAQ(context.Background(), net, options)
			if err != nil {
				t.Fatalf("%+v, lone %v: %v", o, lone, err)
			}
			checkCalibrated(t, r)
			for _, c := range r.Costs {
				if !(c.OutputSQNR > 5) {
					t.Errorf("%+v, lone %v: %s costs %.1f dB", o, lone, c.Layer.Name, c.OutputSQNR)
				}
			}
		}
	}
}

// A divergence is refused with advice, also where no loss could show it any more.
func TestDivergedError(t *testing.T) {
	o := tiny(t)
	o.Tune.Steps, o.Tune.LR, o.Tune.GradClip = 1, 1e300, 0
	_, err := ZAQ(context.Background(), tinyNet(t), o)
	var diverged *DivergedError
	if !errors.As(err, &diverged) || diverged.Phase != "train" || diverged.Step != 1 || !strings.Contains(diverged.Hint(), "learning rate") {
		t.Errorf("%v", err)
	}
	o = tiny(t)
	o.Generator.LR = 1e38
	if _, err = RTN(context.Background(), tinyNet(t), o); !errors.As(err, &diverged) || diverged.Phase != "warm up" {
		t.Errorf("%v", err)
	}
}
