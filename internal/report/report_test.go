package report

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"zaq"
)

func text(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTable(t *testing.T) {
	table := NewTable("layer", ">dB")
	if got := text(t, func(w io.Writer) error { _, err := table.WriteTo(w); return err }); got != "" {
		t.Errorf("a table without rows is %q", got)
	}
	table.Row("conv1", 3.5)
	table.Row("größer", "-12.25")
	want := "layer       dB\nconv1      3.5\ngrößer  -12.25\n"
	if got := text(t, func(w io.Writer) error { _, err := table.WriteTo(w); return err }); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -123: "-123"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1098286: "1.1 MB", 2_500_000_000: "2.5 GB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestLayers(t *testing.T) {
	layers := []zaq.LayerCost{
		{Layer: "good", Kind: "Conv", WeightBits: 4, ActivationBits: 8, WeightSQNR: 20, OutputSQNR: 18, Bytes: 100},
		{Layer: "worst", Kind: "Conv", WeightBits: 4, ActivationBits: 4, WeightSQNR: 21, OutputSQNR: 7.25, Bytes: 2000},
		{Layer: "bad", Kind: "Gemm", WeightBits: 4, ActivationBits: 32, WeightSQNR: 19, OutputSQNR: 9, Bytes: 300},
	}
	got := text(t, func(w io.Writer) error { return Layers(w, layers, 2) })
	want := `
layers by signal to quantization noise, worst first (2 of 3):
layer  kind  W      A  weights dB  output dB  stored
worst  Conv  4      4        21.0        7.2  2.0 kB
bad    Gemm  4  float        19.0        9.0   300 B
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if layers[0].Layer != "good" {
		t.Error("the caller's layers were reordered")
	}
	if got := text(t, func(w io.Writer) error { return Layers(w, nil, 2) }); got != "" {
		t.Errorf("no layers make %q", got)
	}
}

func TestKept(t *testing.T) {
	for kept, want := range map[int]string{
		150: "kept step 150 of 200: labels 64.26 % of held-back images as the float network does",
		0:   "kept the start, which none of 200 steps bettered (a smaller --lr may): labels 64.26 % of held-back images as the float network does",
	} {
		r := zaq.Result{Steps: 200, Kept: kept, Agreement: 0.6426}
		if got := text(t, func(w io.Writer) error { return Result(w, &r, 10) }); strings.Split(got, "\n")[1] != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
}

func TestEvaluation(t *testing.T) {
	e := &zaq.Evaluation{N: 10000, Top1: 9173, Top5: 9968}
	want := "top-1  91.73 %  (9,173 of 10,000)\ntop-5  99.68 %  (9,968 of 10,000)\n"
	if got := text(t, func(w io.Writer) error { return Evaluation(w, e) }); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestSummary(t *testing.T) {
	s := &zaq.Summary{
		Path: "m.onnx", SHA256: "ab", Bytes: 1100, Opset: 13, Parameters: 1234, MACs: 40_000_000, BatchNorms: 1,
		Inputs:    []zaq.Port{{Name: "input", Type: "float32", Shape: []int{-1, 3, 32, 32}}},
		Outputs:   []zaq.Port{{Name: "logits", Type: "float32", Shape: []int{-1, 10}}},
		Operators: map[string]int{"Relu": 2, "Conv": 2, "Gemm": 1},
		Layers: []zaq.LayerInfo{
			{Name: "conv1", Kind: "Conv", Weights: []int{8, 3, 3, 3}, Output: []int{-1, 8, 9, 9}, Parameters: 1216, MACs: 55296,
				BatchNorm: "folded", WeightBits: 4, ActivationBits: 8, Kernel: "QLinearConv"},
			{Name: "relu", Kind: "Relu", Output: []int{-1, 8, 9, 9}, Kernel: "QLinearConv", Fused: true},
			{Name: "pad", Kind: "Pad", Output: []int{-1, 8, 9, 9}, Float: "of its size"},
		},
		Kernels: map[string]int{"QLinearConv": 1}, Weighted: 3,
		Preprocessing: zaq.Preprocessing{Scale: 1. / 255, Mean: []float64{0.5}, Std: []float64{0.25}, Color: "gray"},
		Quantized:     &zaq.Quantized{Method: "rtn", Precision: "w4a8", Scheme: "deploy", Seed: 3, Kernels: "go", Version: "v1"},
	}
	got := text(t, func(w io.Writer) error { return Summary(w, s) })
	for _, want := range []string{
		"model          m.onnx\n",
		"input          input  float32 [N x 3 x 32 x 32]\n",
		"layers         2 Conv, 2 Relu, 1 Gemm\n",
		"preprocessing  (pixel * 0.00392157 - [0.5]) / [0.25], gray\n",
		"quantized      rtn w4a8, scheme deploy, seed 3, go kernels, zaq v1\n",
		"statistics     BatchNormalization of 1 of 3 weighted layers\n",
		"ONNX Runtime   1 QLinearConv in integers (predicted)\n",
		"conv1  Conv  8 x 3 x 3 x 3  N x 8 x 9 x 9       1,216  55,296  folded  4  8  QLinearConv\n",
		"relu   Relu                 N x 8 x 9 x 9                                    in QLinearConv\n",
		"float in ONNX Runtime  because\npad                    of its size\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}

func TestDetection(t *testing.T) {
	d := &zaq.Detection{N: 1200, MAP50: 0.84494, Classes: []zaq.ClassAP{{Name: "cat", Boxes: 3, AP: 0.5}, {Name: "dog", Boxes: 12, AP: 1}}}
	got := text(t, func(w io.Writer) error { return Detection(w, d) })
	want := "mAP@0.5  84.49 %  (1,200 images, 2 classes)\n\nclass  boxes    AP %\ncat        3   50.00\ndog       12  100.00\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestJSON(t *testing.T) {
	e := &zaq.Evaluation{Data: "cifar10:<dir>", N: 2, Top1: 1}
	got := text(t, func(w io.Writer) error { return JSON(w, e) })
	var back zaq.Evaluation
	if err := json.Unmarshal([]byte(got), &back); err != nil {
		t.Fatal(err)
	}
	if back.Data != e.Data || back.N != 2 || back.Top1 != 1 || !strings.Contains(got, "<dir>") {
		t.Errorf("%s", got)
	}
}

func TestLogger(t *testing.T) {
	var b strings.Builder
	log := NewLogger(&b, "text", slog.LevelInfo)
	log.Debug("unseen")
	log.Info("train", "step", 3, "D_o", 0.123456)
	log.With("file", "a b.onnx").WithGroup("g").Warn("odd", "err", errors.New("x"), slog.Group("h", "k", ""))
	want := "train step=3 D_o=0.1235\nwarning: odd file=\"a b.onnx\" g.err=x g.h.k=\"\"\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}

	b.Reset()
	NewLogger(&b, "json", slog.LevelInfo).Info("train", "step", 3)
	var record struct {
		Msg  string
		Step int
	}
	if err := json.Unmarshal([]byte(b.String()), &record); err != nil || record.Msg != "train" || record.Step != 3 {
		t.Errorf("%s: %v", b.String(), err)
	}
}

// TestLines pins how often progress is logged: a phase of 100 steps of 1 s each, then one of 100 fast steps,
// then one of 100 steps of 5 s.
func TestLines(t *testing.T) {
	for _, c := range []struct {
		name string
		step time.Duration
		want int
	}{
		{"tenths", time.Second, 11}, // begins, ends, and each tenth between them
		{"fast", time.Millisecond, 2},
		{"slow", 5 * time.Second, 51},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			clock := time.Unix(0, 0)
			l := &lines{log: NewLogger(&b, "text", slog.LevelInfo), now: func() time.Time { return clock }}
			for step := range 101 {
				l.Update(zaq.Progress{Phase: "train", Step: step, Total: 100, Metrics: []zaq.Metric{{Name: "D_o", Value: 0.5}}})
				clock = clock.Add(c.step)
			}
			l.Done()
			got := strings.Count(b.String(), "\n")
			if got != c.want {
				t.Errorf("%d lines, want %d:\n%s", got, c.want, b.String())
			}
			if !strings.HasPrefix(b.String(), "train step=0 of=100 D_o=0.5\n") || !strings.HasSuffix(b.String(), "train step=100 of=100 D_o=0.5\n") {
				t.Errorf("the first or the last step is missing:\n%s", b.String())
			}
			if c.name == "slow" && !strings.Contains(b.String(), "step=50 of=100 D_o=0.5 left=4m10s\n") {
				t.Errorf("no time left at half:\n%s", b.String())
			}
		})
	}
}

// TestLinesResumed pins that the time left is judged by the steps of this process, not by those of the run
// that it resumes.
func TestLinesResumed(t *testing.T) {
	var b strings.Builder
	clock := time.Unix(0, 0)
	l := &lines{log: NewLogger(&b, "text", slog.LevelInfo), now: func() time.Time { return clock }}
	for step := 80; step < 91; step++ {
		l.Update(zaq.Progress{Phase: "train", Step: step, Total: 100})
		clock = clock.Add(time.Second)
	}
	if !strings.Contains(b.String(), "train step=90 of=100 left=10s\n") {
		t.Errorf("%s", b.String())
	}
}

func TestBarsEnd(t *testing.T) {
	var b strings.Builder
	bar := &bars{w: &b}
	bar.Update(zaq.Progress{Phase: "train", Step: 1, Total: 10, Metrics: []zaq.Metric{{Name: "D_o", Value: 0.25}}})
	bar.Update(zaq.Progress{Phase: "measure", Step: 0, Total: 2})
	bar.Done()
	bar.Done()
	if got := b.String(); !strings.Contains(got, "train  D_o 0.25") || !strings.HasSuffix(got, "\n") {
		t.Errorf("%q", got)
	}
}
