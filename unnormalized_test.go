//go:build !noasm && !race

package zaq_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zaq"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/realdata"
)

// foldedCIFAR writes a trained network whose BatchNormalization was folded, with what is known of its input if that is
// wanted.
func foldedCIFAR(t *testing.T, known bool) *zaq.Model {
	t.Helper()
	source := realdata.Path(t, "models", "cifar10", "resnet8_mlperftiny_cifar10.onnx")
	file, err := onnx.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.Import(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := nn.FoldBatchNorm(net); err != nil {
		t.Fatal(err)
	}
	if file, err = nn.Export(net, nn.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "folded.onnx")
	if err := file.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	if known {
		text := `{"preprocess": {"scale": 1, "mean": [0, 0, 0], "std": [1, 1, 1], "color": "rgb", "size": [32, 32]}}`
		if err := os.WriteFile(strings.TrimSuffix(path, ".onnx")+".json", []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return load(t, path)
}

// A network without BatchNormalization is rounded with ranges from smooth noise, says so, and keeps what it can; zaq
// trains it. Nothing is made of one whose input is not known either.
func TestUnnormalized(t *testing.T) {
	var log bytes.Buffer
	o := zaq.Options{Method: "rtn", Precision: "w8a8", Log: slog.New(slog.NewTextHandler(&log, nil))}
	e := evaluate(t, write(t, quantize(t, foldedCIFAR(t, true), o)), cifar1000(t))
	t.Logf("%d of %d right", e.Top1, e.N)
	if e.Top1 < 865 { // the float network has 881
		t.Errorf("%d of %d right", e.Top1, e.N)
	}
	if text := log.String(); strings.Count(text, "no BatchNormalization in ") != 1 {
		t.Errorf("the log says %s", text)
	}
	o = zaq.Options{Precision: "w4a8", Method: "rtn", KeepBias: true}
	plain := evaluate(t, write(t, quantize(t, foldedCIFAR(t, true), o)), cifar1000(t))
	o = zaq.Options{Precision: "w4a8", Method: "rtn"}
	rounded := evaluate(t, write(t, quantize(t, foldedCIFAR(t, true), o)), cifar1000(t))
	o = zaq.Options{Precision: "w4a8", ZAQ: zaq.ZAQOptions{Steps: 60, LR: 0.003}}
	r := quantize(t, foldedCIFAR(t, true), o)
	trained := evaluate(t, write(t, r), cifar1000(t))
	t.Logf("w4a8: %d of %d right by rounding, %d with biases corrected by what noise makes, %d after %d steps, agreement %.2f", plain.Top1, plain.N, rounded.Top1, trained.Top1, r.Steps, r.Agreement)
	if rounded.Top1 < plain.Top1+100 {
		t.Errorf("%d right with biases corrected, %d without", rounded.Top1, plain.Top1)
	}
	if r.Steps != 60 || r.Agreement < 0.5 || trained.Top1 < rounded.Top1+20 {
		t.Errorf("%d steps, agreement %.2f, %d right after %d", r.Steps, r.Agreement, trained.Top1, rounded.Top1)
	}
	for _, o := range []zaq.Options{{Method: "rtn"}, {Method: "zaq"}} {
		if _, err := zaq.Quantize(t.Context(), foldedCIFAR(t, false), o); err == nil || !strings.Contains(err.Error(), "no BatchNormalization") {
			t.Errorf("%s: error %v", o.Method, err)
		}
	}
}
