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
