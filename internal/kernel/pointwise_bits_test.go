package kernel

import (
	"bytes"
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the hashes in "+bitsFile+" anew")

const bitsFile = "testdata/bits.txt"

// TestSameBits: loops without sums give the same bits for every instruction set that has fused multiply-adds, and the
// portable loops give the same bits on every architecture, whatever its compiler would like to fuse. No machine runs
// them all, so that each is held against the hashes in a file.
func TestSameBits(t *testing.T) {
	want := readBits(t)
	if *update {
		all := families()
		for _, f := range []family{all[0], all[len(all)-1]} {
			maps.DeleteFunc(want, func(what, _ string) bool { return strings.HasPrefix(what, rounding(f)) })
			maps.Copy(want, elementwiseBits(f))
		}
		writeBits(t, want)
	}
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			got := elementwiseBits(f)
			for what, hash := range got {
				if hash != want[what] {
					t.Errorf("%s: outputs hash to %s, want %q", what, hash, want[what])
				}
			}
			for what := range want {
				if _, ok := got[what]; !ok && strings.HasPrefix(what, rounding(f)) {
					t.Errorf("%s: not computed", what)
				}
			}
		})
	}
}

// rounding names what decides the bits of a family's results.
func rounding(f family) string {
	if f.name == portable.name {
		return "portable"
	}
	return "fused"
}

// elementwiseBits runs a family's loops without sums on arrays that fill no whole number of vectors and hold zeros of
// both signs, denormal numbers, infinities and NaNs, and returns hashes of what they write.
func elementwiseBits(f family) map[string]string {
	defer func(old family) { impl = old }(impl)
	impl = f
	const c, n = 23, 23 * 101
	rng := rand.New(rand.NewPCG(9, 10))
	x, res, start := exact(rng, n), exact(rng, n), exact(rng, n)
	inf := float32(math.Inf(1))
	copy(x[100:], []float32{0, float32(math.Copysign(0, -1)), inf, -inf, nan, 1e-40, -1e-40, 1e38, -1e38})
	copy(res[100:], []float32{float32(math.Copysign(0, -1)), 0, 0, 0, 0, 0, 0, 1e38, 1e38})
	bits := map[string]string{}
	do := func(what string, run func(y, z []float32)) {
		y, z := append([]float32(nil), start...), append([]float32(nil), start...)
		run(y, z)
		bits[rounding(f)+" "+what] = hashBits(y, z)
	}
	for i, p := range chains(rand.New(rand.NewPCG(9, 11)), c) {
		if p.Scale != nil {
			p.Scale, p.Shift = exact(rng, c), exact(rng, c)
		}
		do(fmt.Sprintf("forward %d", i), func(y, z []float32) {
			p.Forward(y, x, nil)
			p.Forward(z, x, res)
		})
		do(fmt.Sprintf("backward %d", i), func(y, z []float32) { p.Backward(y, z, start, x, nil, nil, nil, false, true) })
		do(fmt.Sprintf("backward, residual, %d", i), func(y, z []float32) { p.Backward(y, z, start, x, res, nil, nil, true, false) })
	}
	ka, kb, k0 := exact(rng, c), exact(rng, c), exact(rng, c)
	do("affine", func(y, z []float32) {
		ChannelAffine2(y, x, nil, ka, nil, k0, c, false)
		ChannelAffine2(z, x, res, ka, kb, k0, c, true)
	})
	do("fake-quantization", func(y, z []float32) {
		FakeQuantChannels(y, x, []float32{0.07}, []int32{1}, -8, 7, c)
		FakeQuantChannelsBackward(z, start, x, []float32{0.07}, []int32{1}, -8, 7, c, false)
	})
	do("range", func(y, z []float32) { ChannelMinMax(y[:c], z[:c], x, c) })
	do("add", func(y, _ []float32) { Add(y, x, res) })
	do("mul", func(y, _ []float32) { Mul(y, x, res) })
	do("add rows", func(y, _ []float32) { impl.addRows(y, x, res, -0.3, n/31, 29, 30, 31, 30) })
	do("axpy", func(y, z []float32) {
		Axpy(y, 0.3, x)
		ScaleBy(z, -1.7)
	})
	do("exp", func(y, _ []float32) { Exp(y, x) })
	do("tanh", func(y, _ []float32) { Tanh(y, x) })
	do("tanh backward", func(y, z []float32) {
		TanhBackward(y, x, res, false)
		TanhBackward(z, x, res, true)
	})
	do("SGD", func(w, v []float32) { SGDStep(w, x, v, 0.1, 0.9, 1e-4, false) })
	do("SGD, Nesterov", func(w, v []float32) { SGDStep(w, x, v, 0.1, 0.9, 1e-4, true) })
	moments := exact(rng, n)
	for i := range moments {
		moments[i] *= moments[i]
	}
	do("Adam", func(w, m []float32) {
		v := append([]float32(nil), moments...)
		AdamStep(w, x, m, v, 0.1, 0.9, 0.999, 1e-8, 1e-4, 3)
		bits[rounding(f)+" Adam's second moment"] = hashBits(v)
	})
	return bits
}

// exact returns numbers of 24 bits in [-2, 2), which come out the same on every architecture; logarithms, which
// normal numbers need, do not.
func exact(rng *rand.Rand, n int) []float32 {
	a := make([]float32, n)
	for i := range a {
		a[i] = float32(int32(rng.Uint32())>>8) / (1 << 22)
	}
	return a
}

// hashBits takes all NaNs for one: which of them a sum is, is up to the processor.
func hashBits(arrays ...[]float32) string {
	h := fnv.New64a()
	for _, a := range arrays {
		for _, v := range a {
			if v != v {
				v = nan
			}
			b := math.Float32bits(v)
			h.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)})
		}
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// The file has a line of hash and name for each output.

func readBits(t *testing.T) map[string]string {
	text, err := os.ReadFile(bitsFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	bits := map[string]string{}
	for line := range strings.Lines(string(text)) {
		hash, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		bits[what] = hash
	}
	return bits
}

func writeBits(t *testing.T, bits map[string]string) {
	var text bytes.Buffer
	for _, what := range slices.Sorted(maps.Keys(bits)) {
		fmt.Fprintln(&text, bits[what], what)
	}
	if err := os.WriteFile(bitsFile, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
