package detect

import (
	"math"
	"reflect"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestIoU(t *testing.T) {
	unit := Box{0, 0, 1, 1}
	for _, test := range []struct {
		a, b Box
		want float64
	}{
		{unit, unit, 1},
		{unit, Box{0.5, 0, 1.5, 1}, 1. / 3},
		{unit, Box{0.25, 0.25, 0.75, 0.75}, 0.25},
		{unit, Box{1, 0, 2, 1}, 0},
		{unit, Box{3, 3, 4, 4}, 0},
		{unit, Box{0.5, 0.5, 0.5, 0.5}, 0},
		{unit, Box{math.NaN(), 0, 1, 1}, 0},
	} {
		if got := IoU(test.a, test.b); !near(got, test.want) || !near(IoU(test.b, test.a), test.want) {
			t.Errorf("IoU(%v, %v) = %v, want %v", test.a, test.b, got, test.want)
		}
	}
}

func TestSuppress(t *testing.T) {
	at := func(class int, score, x float64) Detection { return Detection{class, score, Box{x, 0, x + 1, 1}} }
	found := []Detection{
		at(0, 0.5, 0), at(0, 0.9, 0.1), at(1, 0.4, 0.1), at(0, 0.8, 0.6), at(0, 0.3, 1.2), at(0, 0.7, 0.15),
	}
	want := []Detection{at(0, 0.9, 0.1), at(0, 0.8, 0.6), at(1, 0.4, 0.1), at(0, 0.3, 1.2)}
	if got := Suppress(found, 0.45); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// 0.6 and 0.1 overlap by a third; 1.2 and 0.6 by a quarter, but who was suppressed suppresses nobody.
	if got := Suppress(found, 0.3); len(got) != 3 || got[2].Score != 0.3 {
		t.Errorf("at 0.3: %v", got)
	}
}

// TestScorer goes through one class by hand: 4 objects count, one is difficult.
func TestScorer(t *testing.T) {
	box := func(x float64) Box { return Box{x, 0, x + 1, 1} }
	s := NewScorer(0.5)
	s.Add([]Truth{{3, box(0), false}, {3, box(5), false}, {3, box(10), true}, {7, box(20), true}}, []Detection{
		{3, 0.9, box(0.1)},  // right
		{3, 0.8, box(0)},    // the same object again: wrong
		{3, 0.7, box(10)},   // difficult: not counted
		{3, 0.65, box(10)},  // again
		{3, 0.6, box(5.4)},  // overlaps by 0.43: wrong
		{3, 0.2, box(5)},    // right
		{9, 0.9, box(5)},    // of a class without objects
		{7, 0.9, box(20.2)}, // of one with none that counts
	})
	s.Add([]Truth{{3, box(0), false}, {3, box(0.3), false}}, []Detection{
		{3, 0.5, box(0.1)}, // overlaps the first most: right
		{3, 0.4, box(0.1)}, // and the first is taken: wrong, though the second would do
	})
	s.Add(nil, []Detection{{3, 0.1, box(0)}})
	classes, mean := s.Result()
	// right at ranks 1, 4 and 6 of 7: precisions 1, 2/4, 3/6
	want := []AP{{3, 4, (1 + 0.5 + 0.5) / 4}}
	if len(classes) != 1 || classes[0].Class != 3 || classes[0].Boxes != 4 || !near(classes[0].AP, want[0].AP) || !near(mean, want[0].AP) {
		t.Errorf("got %v, mean %v, want %v", classes, mean, want)
	}
	if classes, mean := NewScorer(0.5).Result(); classes != nil || mean != 0 {
		t.Errorf("of nothing: %v, %v", classes, mean)
	}
}

// Precision is made to fall from the right: a late run of right answers lifts what was before it.
func TestAveragePrecision(t *testing.T) {
	hits := func(right ...bool) (h []hit) {
		for i, r := range right {
			h = append(h, hit{1 - float64(i)/100, r})
		}
		return h
	}
	for _, test := range []struct {
		hits  []hit
		boxes int
		want  float64
	}{
		{nil, 3, 0},
		{hits(true, true), 2, 1},
		{hits(true), 2, 0.5},
		{hits(false, true), 1, 0.5},
		{hits(false, true, true, true), 3, 0.75}, // 1/2, 2/3, 3/4 become 3/4 each
		{hits(true, false, true, false), 2, (1 + 2./3) / 2},
	} {
		if got := averagePrecision(test.hits, test.boxes); !near(got, test.want) {
			t.Errorf("%v of %d: %v, want %v", test.hits, test.boxes, got, test.want)
		}
	}
}
