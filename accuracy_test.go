//go:build !noasm && !race

package zaq_test

import (
	"testing"

	"zaq"
	"zaq/internal/oracle"
)

// The float networks of the shared data are right on as many of the official 10,000 test images as they are in
// ONNX Runtime, and say the same of every one.
func TestFloatAccuracy(t *testing.T) {
	for model, right := range map[string]int{
		"resnet20_akamaster_cifar10": 9173,
		"resnet20_ehanw_cifar10":     9001,
		"resnet8_mlperftiny_cifar10": 8719,
	} {
		t.Run(model, func(t *testing.T) {
			data := cifar10(t)
			m := loadCIFAR(t, model)
			e := evaluate(t, m, data)
			if e.N != 10000 || e.Top1 != right || e.Top5 < 9900 || len(e.Classes) != e.N {
				t.Errorf("%d of %d right, %d among five: want %d of 10000", e.Top1, e.N, e.Top5, right)
			}
			if same := agreement(e.Classes, ortClasses(t, m, data, oracle.ORTOptions{})); same != e.N {
				t.Errorf("ONNX Runtime agrees on %d images", same)
			}
		})
	}
}

// What a network says of an image depends neither on the images beside it nor on how many there are.
func TestBatchOfEvaluation(t *testing.T) {
	m, data := loadCIFAR(t, "resnet8_mlperftiny_cifar10"), cifar1000(t)
	whole := evaluate(t, m, data)
	for _, batch := range []int{1, 7, 1000} {
		e, err := zaq.Evaluate(t.Context(), m, data, zaq.EvalOptions{Batch: batch, Limit: 107})
		if err != nil {
			t.Fatal(err)
		}
		if same := agreement(e.Classes, whole.Classes); e.N != 107 || same != 107 {
			t.Errorf("in batches of %d: %d of %d images have the same class", batch, same, e.N)
		}
	}
}

// A minute of training without data wins back most of what rounding to 3 bits loses: of 915 right answers of the
// float network rounding leaves some 550. The floor leaves room for other kernels, whose sums round differently.
func TestZAQ(t *testing.T) {
	m, data := loadCIFAR(t, "resnet20_akamaster_cifar10"), cifar1000(t)
	r := quantize(t, m, zaq.Options{Precision: "w3a3", ZAQ: zaq.ZAQOptions{Steps: 60, Warmup: 20, Batch: 32, LR: 0.03}})
	q := write(t, r)
	if e := evaluate(t, q, data); e.Top1 < 720 {
		t.Errorf("%d of %d right, want 720", e.Top1, e.N)
	}
	if r.Steps != 60 || r.Kept < 20 || r.Kept > 60 || r.Agreement < 0.5 || len(r.Layers) != 20 {
		t.Errorf("kept step %d of %d, agreement %v, %d layers", r.Kept, r.Steps, r.Agreement, len(r.Layers))
	}
	for _, l := range r.Layers {
		first := l.Layer == r.Layers[0].Layer
		if l.WeightBits != 3 || l.ActivationBits != 3 && !first || l.ActivationBits != 8 && first || l.WeightSQNR < 5 || l.Bytes == 0 {
			t.Errorf("%+v", l)
		}
	}
	s := zaq.Inspect(q)
	want := zaq.Quantized{
		Method: "zaq", Precision: "w3a3", Scheme: "deploy", Kernels: r.Kernels, Version: zaq.Version(), Source: m.SHA256(),
	}
	if s.Quantized == nil || *s.Quantized != want {
		t.Errorf("the file says of itself %+v, want %+v", s.Quantized, want)
	}
}
