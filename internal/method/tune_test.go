package method

import (
	"context"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"zaq/internal/dataset"
	"zaq/internal/nn"
	"zaq/internal/random"
	"zaq/internal/synth"
)

// photos is a labelled set of images for tinyNet.
func photos(n int) *dataset.Set {
	s := &dataset.Set{Name: "photos", N: n, H: 8, W: 8, C: 3, Pixels: make([]uint8, n*192), Classes: []string{"a", "b", "c", "d", "e"}}
	r := random.New(8, 0, "photos")
	for i := range s.Pixels {
		s.Pixels[i] = uint8(r.Intn(256))
	}
	for i := range n {
		s.Labels = append(s.Labels, i%5)
	}
	return s
}

// Every method that trains, on every source of images, learns what it is to learn, and ends in the same bits whether or not
// it was stopped, while images are made or after, and for any number of threads.
func TestTuning(t *testing.T) {
	type run func(ctx context.Context, net *nn.Network, o Options) (*Result, error)
	ft := func(ctx context.Context, net *nn.Network, o Options) (*Result, error) {
		return FT(ctx, net, photos(40), o)
	}
	for _, test := range []struct {
		name   string
		run    run
		source string
		phase  string  // of images
		first  string  // figure of training
		falls  float64 // to this share of what it was
	}{
		{"zaq on zeroq", ZAQ, SourceZeroQ, "images", "D_o", 0.9},
		{"zaq on deepinversion", ZAQ, SourceDeepInversion, "images", "D_o", 0.9},
		{"gdfq", GDFQ, "", "warm up", "distillation", 0.997},
		{"gdfq on deepinversion", GDFQ, SourceDeepInversion, "images", "distillation", 0.97},
		{"gdfq on zeroq", GDFQ, SourceZeroQ, "images", "distillation", 0.9},
		{"ft", ft, SourceData, "", "cross-entropy", 0.995},
	} {
		o := tiny(t)
		o.Place.WBits = 3
		o.KeepBias = true // so that there is something to learn
		o.Source = test.source
		o.Tune.Steps, o.Tune.LR = 40, 0.02
		o.GDFQ = GDFQOptions{Statistics: 0.1, Distill: 1, Temperature: 4}
		o.Synth = synth.ImageOptions{Count: 16, Batch: 8, Steps: 3, LR: 0.1, Class: 1, TV: 1e-3, L2: 1e-3, BN: 1, Compete: 0.2, Shift: 1}
		var figures []float64
		o.Progress = func(p Progress) {
			if p.Phase == "train" {
				if p.Metrics[0].Name != test.first {
					t.Fatalf("%s: %+v", test.name, p)
				}
				sum := p.Metrics[0].Value
				if test.first == "distillation" {
					for _, m := range p.Metrics[1:] { // labels pull elsewhere in a network that was not trained
						sum += m.Value
					}
				}
				figures = append(figures, sum)
			}
		}
		o.Threads = 1
		want, err := test.run(context.Background(), tinyNet(t), o)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		checkCalibrated(t, want)
		mean := func(v []float64) (m float64) {
			for _, x := range v {
				m += x / float64(len(v))
			}
			return m
		}
		if first, last := mean(figures[:5]), mean(figures[35:]); last > test.falls*first {
			t.Errorf("%s: %s falls from %g to %g", test.name, test.first, first, last)
		}

		o.Threads = 3
		o.Checkpoint = filepath.Join(t.TempDir(), "run.ckpt")
		stops := []Progress{{Phase: test.phase, Step: 2}, {Phase: "train", Step: 17}}
		if test.phase == "" {
			stops = stops[1:]
		}
		for _, stop := range stops {
			ctx, cancel := context.WithCancel(context.Background())
			o.Progress = func(p Progress) {
				if p.Phase == stop.Phase && p.Step == stop.Step {
					cancel()
				}
			}
			if _, err := test.run(ctx, tinyNet(t), o); err != context.Canceled {
				t.Fatalf("%s, stopped in %q: %v", test.name, stop.Phase, err)
			}
			cancel()
			o.Resume = true
		}
		o.Progress = nil
		got, err := test.run(context.Background(), tinyNet(t), o)
		if err != nil {
			t.Fatalf("%s, resumed: %v", test.name, err)
		}
		if !reflect.DeepEqual(got.Net, want.Net) || got.Agreement != want.Agreement {
			t.Errorf("%s: resumed, it ends in another network", test.name)
		}
	}
}

// Whoever learns from classes is told where the network does not see them in the images.
func TestImagesOfOtherClasses(t *testing.T) {
	for _, c := range []struct {
		bn    float64
		class float64
		warns bool
	}{{1e4, 1e-6, true}, {1e-6, 100, false}, {1, 0, false}} {
		o := tiny(t)
		o.Source = SourceDeepInversion
		o.Synth = synth.ImageOptions{Count: 16, Batch: 8, Steps: 60, LR: 0.1, Class: c.class, BN: c.bn}
		var warnings []string
		o.Warn = func(text string) { warnings = append(warnings, text) }
		s, err := Synthesize(context.Background(), tinyNet(t), o, 16, false)
		if err != nil {
			t.Fatal(err)
		}
		if (len(warnings) == 1 && strings.Contains(warnings[0], " of 16 images as they were drawn")) != c.warns || !c.warns && warnings != nil {
			t.Errorf("%+v: warnings %q", c, warnings)
		}
		if (s.Labels != nil) != (c.class != 0) {
			t.Errorf("%+v: labels %v", c, s.Labels)
		}
	}
}

// What cannot be trained on, or by, is refused.
func TestTuningRefused(t *testing.T) {
	o := tiny(t)
	o.Synth = synth.ImageOptions{Count: 8, Batch: 8, Steps: 1, LR: 0.1, BN: 1}
	o.GDFQ = GDFQOptions{Distill: 1, Temperature: 4}
	o.Source = SourceStatistics
	if _, err := ZAQ(context.Background(), tinyNet(t), o); err == nil {
		t.Error("no images: no error")
	}
	o.Source = SourceZeroQ
	if _, err := ZAQ(context.Background(), unnormalized(t), o); err != ErrNoBatchNorm {
		t.Errorf("nothing to optimise images by: %v", err)
	}
	o.Source = ""
	if _, err := GDFQ(context.Background(), mapsNet(t), o); err == nil {
		t.Error("gdfq without classes: no error")
	}
	set := photos(20)
	set.Labels[3] = 7
	if _, err := FT(context.Background(), tinyNet(t), set, o); err == nil {
		t.Error("a label that the network does not know: no error")
	}
	if _, err := FT(context.Background(), tinyNet(t), nil, o); err == nil {
		t.Error("no data: no error")
	}
}
