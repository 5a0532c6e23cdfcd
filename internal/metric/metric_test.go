package metric

import (
	"math"
	"testing"
)

var nan = float32(math.NaN())

func TestArgmax(t *testing.T) {
	tests := []struct {
		row  []float32
		want int
	}{
		{[]float32{3}, 0},
		{[]float32{1, 3, 2}, 1},
		{[]float32{-3, -1, -2}, 1},
		{[]float32{0, 5, 5, 5}, 1},
		{[]float32{2, 2}, 0},
		{[]float32{1, nan, 7, nan}, 1},
		{[]float32{nan, 7}, 0},
		{[]float32{float32(math.Inf(-1)), float32(math.Inf(-1))}, 0},
		{[]float32{1, float32(math.Inf(1)), nan}, 2},
	}
	for _, test := range tests {
		if got := Argmax(test.row); got != test.want {
			t.Errorf("Argmax(%v) = %d, want %d", test.row, got, test.want)
		}
	}
}

func TestTopK(t *testing.T) {
	logits := []float32{
		0.1, 0.9, 0.5, 0.2,
		4, 4, 4, 4, // a tie: classes 0, 1, 2, 3 in this order
		-1, -2, -3, -4,
		nan, 1, 2, 3, // classes 0, 3, 2, 1, and 0 is never right
	}
	tests := []struct {
		labels []int
		want   [4]int // right among 1, 2, 3, 4
	}{
		{[]int{1, 0, 0, 3}, [4]int{3, 4, 4, 4}},
		{[]int{2, 1, 1, 2}, [4]int{0, 3, 4, 4}},
		{[]int{3, 2, 2, 1}, [4]int{0, 0, 3, 4}},
		{[]int{0, 3, 3, 0}, [4]int{0, 0, 0, 3}},
	}
	for _, test := range tests {
		for k := 1; k <= 4; k++ {
			got, err := TopK(logits, 4, test.labels, k)
			if err != nil || got != test.want[k-1] {
				t.Errorf("TopK of labels %v, k %d = %d, %v, want %d", test.labels, k, got, err, test.want[k-1])
			}
		}
	}
	if n, err := TopK(nil, 4, nil, 1); n != 0 || err != nil {
		t.Errorf("TopK of no images = %d, %v", n, err)
	}
	if n, err := TopK([]float32{1, 2}, 2, []int{0}, 9); n != 1 || err != nil {
		t.Errorf("TopK with k above the classes = %d, %v", n, err)
	}
}

// The first of the k best is Argmax: two ways to count accuracy give one number.
func TestTopOneIsArgmax(t *testing.T) {
	rows := [][]float32{{1, 2, 3}, {3, 2, 1}, {2, 2, 1}, {1, 2, 2}, {0, 0, 0}, {-1, 1, -1}}
	for _, row := range rows {
		for label := range row {
			right, err := TopK(row, len(row), []int{label}, 1)
			if err != nil || (right == 1) != (Argmax(row) == label) {
				t.Errorf("row %v, label %d: top-1 counts %d (%v), argmax is %d", row, label, right, err, Argmax(row))
			}
		}
	}
}

func TestTopKRefusesForeignLabels(t *testing.T) {
	for _, label := range []int{-1, 3, 100} {
		if _, err := TopK(make([]float32, 6), 3, []int{0, label}, 1); err == nil {
			t.Errorf("label %d of 3 classes: no error", label)
		}
	}
}

func TestAgreement(t *testing.T) {
	a := []float32{1, 2, 3, 1, 5, 5, nan, 0}
	tests := []struct {
		b    []float32
		want float64
	}{
		{a, 0.75}, // the last row is NaN
		{[]float32{0, 1, 1, 0, 9, 1, 1, 0}, 0.75},
		{[]float32{0, 1, 1, 0, 1, 9, 1, 0}, 0.5},
		{[]float32{1, 0, 0, 1, 1, 9, 0, nan}, 0},
	}
	for _, test := range tests {
		if got := Agreement(a, test.b, 2); got != test.want {
			t.Errorf("Agreement with %v = %v, want %v", test.b, got, test.want)
		}
	}
	if got := Agreement(nil, nil, 10); got != 1 {
		t.Errorf("Agreement on nothing = %v", got)
	}
}

func TestLengthsPanic(t *testing.T) {
	for name, call := range map[string]func(){
		"top-k":            func() { _, _ = TopK(make([]float32, 5), 3, []int{0, 1}, 1) },
		"top-k, 0 classes": func() { _, _ = TopK(nil, 0, nil, 1) },
		"agreement":        func() { Agreement(make([]float32, 4), make([]float32, 2), 2) },
		"agreement, rows":  func() { Agreement(make([]float32, 3), make([]float32, 3), 2) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

func TestMeanStd(t *testing.T) {
	tests := []struct {
		values    []float64
		mean, std float64
	}{
		{[]float64{5}, 5, 0},
		{[]float64{1, 3}, 2, math.Sqrt2},
		{[]float64{2, 4, 4, 4, 5, 5, 7, 9}, 5, math.Sqrt(32. / 7)},
		{[]float64{1e9 + 1, 1e9 + 2, 1e9 + 3}, 1e9 + 2, 1},
	}
	for _, test := range tests {
		mean, std := MeanStd(test.values)
		if math.Abs(mean-test.mean) > 1e-15*math.Abs(test.mean)*4 || math.Abs(std-test.std) > 1e-6 {
			t.Errorf("MeanStd(%v) = %v, %v, want %v, %v", test.values, mean, std, test.mean, test.std)
		}
	}
	if mean, std := MeanStd(nil); !math.IsNaN(mean) || !math.IsNaN(std) {
		t.Errorf("MeanStd of nothing = %v, %v", mean, std)
	}
}
