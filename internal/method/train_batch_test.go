package method

import (
	"slices"
	"testing"

	"zaq/internal/dataset"
	"zaq/internal/preprocess"
	"zaq/internal/random"
)

// numbered is a set whose pixels tell their image, row, column and channel.
func numbered(n, h, w int) *dataset.Set {
	s := &dataset.Set{Name: "numbered", N: n, H: h, W: w, C: 3}
	for i := range n {
		s.Labels = append(s.Labels, i)
		for p := range h * w * 3 {
			s.Pixels = append(s.Pixels, uint8(1+(i*31+p)%255))
		}
	}
	return s
}

func identityPixels() *preprocess.Spec {
	return &preprocess.Spec{Scale: 1, Mean: make([]float64, 3), Std: []float64{1, 1, 1}, Color: "rgb"}
}

// In an epoch every image comes once, but for those that fill no batch; the next has another order.
func TestBatchesOrder(t *testing.T) {
	b, err := newBatches(numbered(11, 2, 2), identityPixels(), 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	if b.perEpoch != 3 {
		t.Fatalf("%d steps an epoch", b.perEpoch)
	}
	x := make([]float32, 3*12)
	var epochs [2][]int
	for step := range 6 {
		b.fill(x, step)
		epochs[step/3] = append(epochs[step/3], b.labels...)
	}
	for i, e := range epochs {
		sorted := slices.Compact(slices.Sorted(slices.Values(e)))
		if len(e) != 9 || len(sorted) != 9 {
			t.Errorf("epoch %d: %v", i, e)
		}
	}
	if slices.Equal(epochs[0], epochs[1]) {
		t.Errorf("two epochs in one order: %v", epochs[0])
	}
}

// A step's batch is the same whichever steps came before.
func TestBatchesStep(t *testing.T) {
	make1 := func() *batches {
		b, err := newBatches(numbered(11, 5, 4), identityPixels(), 3, 1)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	want, got := make([]float32, 3*60), make([]float32, 3*60)
	a := make1()
	for step := range 5 {
		a.fill(want, step)
	}
	b := make1()
	b.fill(got, 4)
	if !slices.Equal(got, want) || !slices.Equal(a.labels, b.labels) {
		t.Errorf("step 4 alone differs: %v, %v", a.labels, b.labels)
	}
}

// An augmented image is the image, shifted and perhaps mirrored, with black outside; all shifts occur.
func TestAugment(t *testing.T) {
	for _, size := range [][2]int{{6, 7}, {3, 2}, {1, 1}} {
		set := numbered(1, size[0], size[1])
		b, err := newBatches(set, identityPixels(), 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[[3]int]bool{}
		dst := make([]uint8, len(set.Pixels))
		for i := range 3000 {
			r := random.New(1, uint64(i), "augment")
			same := *r
			dy, dx, mirror := same.Intn(9)-4, same.Intn(9)-4, same.Intn(2)
			seen[[3]int{dy, dx, mirror}] = true
			b.augment(dst, set.Image(0), r)
			for y := range set.H {
				for x := range set.W {
					fromY, fromX := y+dy, x
					if mirror == 1 {
						fromX = set.W - 1 - x
					}
					fromX += dx
					for c := range 3 {
						var want uint8
						if fromY >= 0 && fromY < set.H && fromX >= 0 && fromX < set.W {
							want = set.Pixels[(fromY*set.W+fromX)*3+c]
						}
						if got := dst[(y*set.W+x)*3+c]; got != want {
							t.Fatalf("%v shifted by %d, %d, mirrored %d: pixel %d, %d is %d, want %d", size, dy, dx, mirror, y, x, got, want)
						}
					}
				}
			}
		}
		if len(seen) != 9*9*2 {
			t.Errorf("%v: %d of 162 ways occurred", size, len(seen))
		}
	}
}
