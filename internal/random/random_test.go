package random

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// The vectors are those of the authors of Philox (kat_vectors of their Random123 1.09).
func TestPhiloxKnownAnswers(t *testing.T) {
	const ff = 0xffffffff
	tests := []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{ff, ff, ff, ff}, [2]uint32{ff, ff}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	}
	for _, test := range tests {
		if got := philox(test.counter, test.key); got != test.want {
			t.Errorf("philox(%x, %x) = %x, want %x", test.counter, test.key, got, test.want)
		}
	}
}

// A checkpoint is resumed, and a result reproduced, by the same numbers: they may never change.
func TestStreamsNeverChange(t *testing.T) {
	s := New(1, 2, "noise")
	uints := []uint64{s.Uint64(), s.Uint64(), s.Uint64()}
	normals := make([]float32, 3)
	New(1, 2, "noise").At(3).Normal(normals)
	got := fmt.Sprintf("%x %x %v", uints, normals, New(7, 0, "shuffle").Perm(10))
	const want = "[2608d0f77d05ad5d e817477117c11d93 4c25a4a86c334248] " +
		"[-0x1.423bd2p-01 0x1.26b312p-03 0x1.2e5132p+00] [7 8 5 6 1 2 3 9 0 4]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestStreamIsItsName(t *testing.T) {
	first := func(s *Stream) uint64 { return s.Uint64() }
	seen := map[uint64]string{}
	add := func(name string, v uint64) {
		if other, ok := seen[v]; ok {
			t.Errorf("%s begins as %s does", name, other)
		}
		seen[v] = name
	}
	for seed := range uint64(4) {
		for step := range uint64(4) {
			for _, purpose := range []string{"", "a", "b", "ab"} {
				name := fmt.Sprint(seed, step, purpose)
				add(name, first(New(seed, step, purpose)))
				for i := range 4 {
					add(fmt.Sprint(name, " at ", i), first(New(seed, step, purpose).At(i)))
					add(fmt.Sprint(name, " at ", i, " at 1"), first(New(seed, step, purpose).At(i).At(1)))
				}
			}
		}
	}
	add("step above 32 bits", first(New(0, 1<<32, "")))
	if once, again := first(New(3, 4, "x")), first(New(3, 4, "x")); once != again {
		t.Error("the same name gives different numbers")
	}
}

func TestAtDoesNotDependOnPosition(t *testing.T) {
	const batch, length = 6, 5
	whole := make([]float32, batch*length)
	s := New(5, 6, "noise")
	for i := range batch {
		s.At(i).Normal(whole[i*length : (i+1)*length])
	}
	split := make([]float32, batch*length)
	for i := batch - 1; i >= 0; i-- {
		s.Uint64()
		s.At(i).Normal(split[i*length : (i+1)*length])
	}
	if !slices.Equal(whole, split) {
		t.Error("substreams change with the use of their stream")
	}
}

// Element i is the i-th of the sequence whether it is drawn in one call or in several.
func TestNormalContinues(t *testing.T) {
	whole, parts := make([]float32, 9), make([]float32, 9)
	New(1, 1, "n").Normal(whole)
	s := New(1, 1, "n")
	s.Normal(parts[:4])
	s.Normal(parts[4:])
	if !slices.Equal(whole, parts) {
		t.Errorf("%v in one call, %v in two", whole, parts)
	}
}

func TestUniform(t *testing.T) {
	const n = 1 << 16
	s := New(11, 0, "uniform")
	check := func(name string, mean, variance float64) {
		if math.Abs(mean-0.5) > 5*math.Sqrt(1./12/n) {
			t.Errorf("%s: mean %v", name, mean)
		}
		if math.Abs(variance-1./12) > 5*math.Sqrt(1./180/n) {
			t.Errorf("%s: variance %v", name, variance)
		}
	}
	moments := func(next func() float64) (mean, variance float64) {
		var sum, square float64
		for range n {
			v := next()
			if v < 0 || v >= 1 {
				t.Fatalf("%v is outside [0, 1)", v)
			}
			sum, square = sum+v, square+(v-0.5)*(v-0.5)
		}
		return sum / n, square / n
	}
	mean, variance := moments(func() float64 { return float64(s.Float32()) })
	check("Float32", mean, variance)
	mean, variance = moments(s.Float64)
	check("Float64", mean, variance)
}

func TestNormalMoments(t *testing.T) {
	const n = 1 << 17
	x := make([]float32, n)
	New(3, 9, "noise").Normal(x)
	var m [5]float64 // of powers 1 to 4, and of neighbours
	for i, v := range x {
		v := float64(v)
		m[0], m[1], m[2], m[3] = m[0]+v, m[1]+v*v, m[2]+v*v*v, m[3]+v*v*v*v
		m[4] += v * float64(x[(i+1)%n])
	}
	want := [5]float64{0, 1, 0, 3, 0}
	deviation := [5]float64{1, math.Sqrt(2), math.Sqrt(15), math.Sqrt(96), 1}
	for i := range m {
		if got := m[i] / n; math.Abs(got-want[i]) > 5*deviation[i]/math.Sqrt(n) {
			t.Errorf("moment %d is %v, want %v", i+1, got, want[i])
		}
	}
}

// Bins of equal probability under the normal distribution fill evenly, the tails included.
func TestNormalChiSquare(t *testing.T) {
	const n, bins = 1 << 16, 64
	x := make([]float32, n)
	New(4, 0, "noise").Normal(x)
	var counts [bins]int
	for _, v := range x {
		p := 0.5 * math.Erfc(-float64(v)/math.Sqrt2)
		counts[min(int(p*bins), bins-1)]++
	}
	checkChiSquare(t, counts[:], n)
}

func TestIntn(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 10, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			counts := make([]int, n)
			s := New(uint64(n), 0, "intn")
			for range 1000 * n {
				counts[s.Intn(n)]++
			}
			checkChiSquare(t, counts, 1000*n)
		})
	}
	for _, n := range []int{math.MaxInt, math.MaxInt/2 + 2} { // the last rejects a quarter of the draws
		s := New(0, 0, "intn")
		high := 0
		for range 4000 {
			v := s.Intn(n)
			if v < 0 || v >= n {
				t.Fatalf("Intn(%d) = %d", n, v)
			}
			if v >= n/2 {
				high++
			}
		}
		if high < 1800 || high > 2200 {
			t.Errorf("Intn(%d): %d of 4000 in the upper half", n, high)
		}
	}
	for _, n := range []int{0, -1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Intn(%d) does not panic", n)
				}
			}()
			New(0, 0, "").Intn(n)
		}()
	}
}

func TestPerm(t *testing.T) {
	for _, n := range []int{0, 1, 2, 33} {
		p := New(1, 0, "perm").Perm(n)
		slices.Sort(p)
		for i := range n {
			if p[i] != i {
				t.Fatalf("Perm(%d) sorted is %v", n, p)
			}
		}
	}
	counts := make([]int, 24) // all orders of four are equally likely
	for i := range 24000 {
		p := New(2, uint64(i), "perm").Perm(4)
		rank := 0
		for j := range p {
			less := 0
			for _, later := range p[j+1:] {
				if later < p[j] {
					less++
				}
			}
			rank = rank*(4-j) + less
		}
		counts[rank]++
	}
	checkChiSquare(t, counts, 24000)
}

// checkChiSquare fails where the statistic is more than five deviations above its mean.
func checkChiSquare(t *testing.T, counts []int, total int) {
	t.Helper()
	want := float64(total) / float64(len(counts))
	var x float64
	for _, c := range counts {
		x += (float64(c) - want) * (float64(c) - want) / want
	}
	free := float64(len(counts) - 1)
	if x > free+5*math.Sqrt(2*free) {
		t.Errorf("chi-square is %.1f for %v degrees of freedom: %v", x, free, counts)
	}
}

// The quantiles are those of Python 3.11, statistics.NormalDist().inv_cdf.
func TestQuantile(t *testing.T) {
	tests := []struct{ p, want float64 }{
		{1e-300, -37.0470962993612}, {0x1p-53, -8.209536151601386}, {1e-12, -7.034483825301132},
		{1e-11, -6.706023155495136}, {1e-05, -4.2648907939228256}, {0.01, -2.3263478740408408},
		{0.0749999, -1.4395321773759004}, {0.075, -1.4395314709384557}, {0.1, -1.2815515655446008},
		{0.25, -0.6744897501960817}, {0.4, -0.2533471031357998}, {0.499, -0.0025066308995717666},
		{0.5, 0}, {0.6, 0.2533471031357998}, {0.9249, 1.4388253927525403}, {0.926, 1.4466320671589785},
		{0.975, 1.9599639845400536}, {0.999, 3.090232306167813}, {0.999999999, 5.997807019601638},
	}
	for _, test := range tests {
		if got := quantile(test.p); math.Abs(got-test.want) > 1e-13*math.Abs(test.want) {
			t.Errorf("quantile(%v) = %v, want %v", test.p, got, test.want)
		}
	}
}

func TestLogarithm(t *testing.T) {
	for _, x := range []float64{1e-300, 1e-17, 0.01, 0.5, 0.70710, 0.70711, 0.9, 0.999, 1, 1.4142, 1.4143, 2, 10, 1e300} {
		if got, want := logarithm(x), math.Log(x); math.Abs(got-want) > 1e-13*math.Abs(want) {
			t.Errorf("logarithm(%v) = %v, want %v", x, got, want)
		}
	}
}

func BenchmarkNormal(b *testing.B) {
	dst := make([]float32, 4096)
	s := New(1, 1, "noise")
	b.SetBytes(int64(4 * len(dst)))
	for b.Loop() {
		s.Normal(dst)
	}
}
