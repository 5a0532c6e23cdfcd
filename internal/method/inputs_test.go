package method

import (
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/preprocess"
	"zaq/internal/random"
)

// severalNet is tinyNet with a map of 2 x 8 x 8 that is convolved and added to the image, and a vector of 4 that moves the
// logits.
func severalNet(t *testing.T) *nn.Network {
	t.Helper()
	net := tinyNet(t)
	constant := func(name string, shape ...int) string {
		n := 1
		for _, d := range shape {
			n *= d
		}
		v := &nn.Value{Name: name, Shape: shape, Data: make([]float32, n)}
		random.New(5, 0, name).Normal(v.Data)
		net.Values[name] = v
		return name
	}
	net.Values["depth"] = &nn.Value{Name: "depth", Shape: []int{nn.Batch, 2, 8, 8}}
	net.Values["features"] = &nn.Value{Name: "features", Shape: []int{nn.Batch, 4}}
	net.Inputs = append(net.Inputs, "depth", "features")
	first, last := net.Layers[0], net.Layers[len(net.Layers)-1]
	first.In[0], last.Out[0] = "sum", "scores"
	conv := nn.Conv{Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Groups: 1}
	net.Layers = slices.Concat([]*nn.Layer{
		{Name: "depth conv", Op: conv, In: []string{"depth", constant("depth weight", 3, 2, 1, 1)}, Out: []string{"depth conv"}},
		{Name: "sum", Op: nn.Add{}, In: []string{"input", "depth conv"}, Out: []string{"sum"}},
	}, net.Layers, []*nn.Layer{
		{Name: "shift", Op: nn.Gemm{}, In: []string{"features", constant("shift weight", 5, 4), constant("shift bias", 5)}, Out: []string{"shift"}},
		{Name: "logits", Op: nn.Add{}, In: []string{"scores", "shift"}, Out: []string{"logits"}},
	})
	if err := nn.InferShapes(net); err != nil {
		t.Fatal(err)
	}
	return net
}

// Images go into the inputs of a program and come back as they were; what the program does not compute is left out.
func TestInputsHoldImages(t *testing.T) {
	g := engine.NewGraph()
	in, err := addInputs(g, severalNet(t))
	if err != nil {
		t.Fatal(err)
	}
	var same inputs
	for _, x := range in {
		same = append(same, g.Affine("same", x, slices.Repeat([]float32{1}, x.C), make([]float32, x.C)))
	}
	if in.Len() != 3*64+2*64+4 {
		t.Fatalf("an image has %d numbers", in.Len())
	}
	x := make([]float32, 3*in.Len())
	for i := range x {
		x[i] = float32(i)
	}
	all, err := g.Compile(engine.Spec{Batch: 3, Outputs: same})
	if err != nil {
		t.Fatal(err)
	}
	in.load(all, x)
	all.Run()
	if got := same.images(all); !slices.Equal(got, x) {
		t.Error("other images came back")
	}
	in.draw(all, func(dst []float32) { copy(dst, x[in.Len():]) })
	all.Run()
	if got := same.images(all); !slices.Equal(got[:2*in.Len()], x[in.Len():]) {
		t.Error("other images were drawn")
	}
	last, err := g.Compile(engine.Spec{Batch: 3, Outputs: same[2:]})
	if err != nil {
		t.Fatal(err)
	}
	in.load(last, x)
	last.Run()
	if got := last.Data(same[2]); !slices.Equal(got[4:8], x[2*in.Len()-4:2*in.Len()]) {
		t.Errorf("the second image's features are %v", got[4:8])
	}
}

// Inputs that the preprocessing is not about are pictures prepared alike where they have as many channels, and numbers of
// which nothing is known otherwise, with a range of their own.
func TestRangesOfSeveralInputs(t *testing.T) {
	o, net := tiny(t), severalNet(t)
	net.Values["features"].Shape = []int{nn.Batch, 3} // as many as colors, and no picture
	ranges := o.inputRanges(net)
	lo, hi := o.Pixels.PixelRange()
	if want := [2]float32{slices.Min(lo), slices.Max(hi)}; ranges["input"] != want {
		t.Errorf("image in %v, want %v", ranges["input"], want)
	}
	if r := ranges["depth"]; r != [2]float32{-6, 6} || ranges["features"] != r || len(ranges) != 3 {
		t.Errorf("ranges %v", ranges)
	}
	net.Values["depth"].Shape[1] = 3
	if ranges = o.inputRanges(net); ranges["depth"] != ranges["input"] {
		t.Errorf("a second picture in %v", ranges["depth"])
	}
	// Bytes are what they are, whatever is said of real numbers.
	net.Ports = map[string]nn.Port{"depth": {Type: onnx.Uint8}}
	if ranges = o.inputRanges(net); ranges["depth"] != [2]float32{0, 255} {
		t.Errorf("a picture of bytes in %v", ranges["depth"])
	}
	bytes := preprocess.Spec{Input: "depth", Scale: 1, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}, Color: "rgb"}
	described := Options{Pixels: &bytes}
	if ranges = described.inputRanges(net); ranges["depth"] != [2]float32{0, 255} || ranges["input"] != [2]float32{-6, 6} {
		t.Errorf("ranges %v where bytes are described", ranges)
	}
	// What the network normalizes itself is quantized behind that.
	normalized := severalNet(t)
	x := normalized.Inputs[0]
	for _, l := range normalized.Layers {
		if l.In[0] == x {
			l.In[0] = "behind"
		}
	}
	normalized.Values["behind"] = &nn.Value{Name: "behind", Shape: normalized.Values[x].Shape}
	normalized.Values["two"] = &nn.Value{Name: "two", Shape: []int{1}, Data: []float32{-2}}
	normalized.Layers = append([]*nn.Layer{{Name: "scale", Op: nn.Operator{Type: "Mul", Opset: 13}, In: []string{x, "two"}, Out: []string{"behind"}}}, normalized.Layers...)
	ranges = o.inputRanges(normalized)
	if want := [2]float32{-2 * slices.Max(hi), -2 * slices.Min(lo)}; ranges["behind"] != want || ranges[x] != [2]float32{} {
		t.Errorf("ranges %v, want %v behind the normalization", ranges, want)
	}
	net.Ports = nil
	o.Pixels.Input = "depth"
	if ranges = o.inputRanges(net); ranges["depth"] != ranges["input"] {
		t.Errorf("the picture that is described is the second: %v", ranges)
	}
}

// Each input's images stay what they are, whatever else the network takes: the first one's generator and noise are those that
// it has alone.
func TestFirstInputIsAsAlone(t *testing.T) {
	o := tiny(t)
	alone, err := newTwins(context.Background(), tinyNet(t), &o)
	if err != nil {
		t.Fatal(err)
	}
	several, err := newTwins(context.Background(), severalNet(t), &o)
	if err != nil {
		t.Fatal(err)
	}
	paint := func(tw *twins) []float32 {
		p, err := tw.g.Compile(engine.Spec{Batch: 2, Outputs: tw.image})
		if err != nil {
			t.Fatal(err)
		}
		tw.fill(p, 7, "warm up")
		p.Run()
		return p.Data(tw.image[0])
	}
	if !slices.Equal(paint(alone), paint(several)) {
		t.Error("the images of the first input are others")
	}
}

// Runs on several inputs that were stopped end in the bits of unbroken ones: a generator for each map, or images that are
// optimised, with a vector that is not.
func TestSeveralInputsResume(t *testing.T) {
	for name, c := range map[string]struct {
		phase  string
		method func(context.Context, *nn.Network, Options) (*Result, error)
	}{"zaq": {"train", ZAQ}, "zaq warming up": {"warm up", ZAQ}, "gdfq": {"train", GDFQ}, "zeroq": {"images", ZeroQ}, "deepinversion": {"images", DeepInversion}} {
		o := tiny(t)
		o.Place.ABits = 4
		o.Synth.Count, o.Synth.Batch, o.Synth.Steps, o.Synth.LR, o.Synth.Class, o.Synth.BN, o.Synth.TV, o.Synth.Shift = 12, 8, 4, 0.5, 1, 1, 0.1, 2
		o.GDFQ = GDFQOptions{Statistics: 0.1, Distill: 1, Temperature: 20}
		want, err := c.method(context.Background(), severalNet(t), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkCalibrated(t, want)
		o.Checkpoint = filepath.Join(t.TempDir(), "run.ckpt")
		ctx, cancel := context.WithCancel(context.Background())
		o.Progress = func(p Progress) {
			if p.Phase == c.phase && p.Step == 2 {
				cancel()
			}
		}
		if _, err := c.method(ctx, severalNet(t), o); err != context.Canceled {
			t.Fatalf("%s: %v", name, err)
		}
		o.Progress, o.Resume = nil, true
		got, err := c.method(context.Background(), severalNet(t), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: another result: agreement %g, %g", name, got.Agreement, want.Agreement)
		}
	}
}

// Bits of each layer, and statistics of networks that have none, are measured on images for all inputs.
func TestSeveralInputsMeasured(t *testing.T) {
	o, net := tiny(t), severalNet(t)
	if err := nn.FoldBatchNorm(net); err != nil {
		t.Fatal(err)
	}
	o.Images = make([]float32, 16*(3*64+2*64+4))
	random.New(9, 0, "images").Normal(o.Images)
	o.Budget = &Budget{MeanBits: 4}
	r, err := RTN(context.Background(), net, o)
	if err != nil {
		t.Fatal(err)
	}
	checkCalibrated(t, r)
	bits, n := 0, 0
	for _, w := range r.Placement.Weights {
		bits, n = bits+w.Quantizer.Bits*len(w.Value.Data), n+len(w.Value.Data)
	}
	if mean := float64(bits) / float64(n); mean > 4 || mean < 3.5 {
		t.Errorf("%g bits on average", mean)
	}
	// What a network without statistics makes of its inputs is measured: the first layer of each was given some.
	twin, err := prepare(net)
	if err != nil {
		t.Fatal(err)
	}
	if err := measureStats(context.Background(), twin, o.Images, 0); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"depth conv", "shift"} {
		s := twin.Values[name].Stats
		if s == nil || slices.Max(s.Std) < 0.5 {
			t.Errorf("%s: statistics %v", name, s)
		}
	}
}
