package infer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/quant"
)

// noise is a batch of inputs of the given images.
func noise(shape []int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, elements(shape))
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// deploy quantizes an untrained network with ranges from noise, and returns what its file says.
func deploy(t testing.TB, n *nn.Network, wbits, abits int) *onnx.Model {
	t.Helper()
	if err := nn.FoldBatchNorm(n); err != nil {
		t.Fatal(err)
	}
	shape := slices.Clone(n.Values[n.Inputs[0]].Shape)
	shape[0] = 2
	values, err := nn.Reference(n, map[string][]float32{n.Inputs[0]: noise(shape, 1)}, 2)
	if err != nil {
		t.Fatal(err)
	}
	p, err := nn.Place(n, nn.PlaceOptions{Scheme: nn.Deploy, WBits: wbits, ABits: abits})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Activations {
		if v, ok := values[s.Tensor]; ok && !s.Tied {
			s.Quantizer.SetRange(0, slices.Min(v), slices.Max(v))
		} else if !s.Tied {
			v := values[s.Layer.Out[0]]
			s.Quantizer.SetRange(0, slices.Min(v), slices.Max(v))
		}
	}
	for _, w := range p.Weights {
		each := len(w.Value.Data) / w.Value.Shape[0]
		for c := range w.Value.Shape[0] {
			v := w.Value.Data[c*each : (c+1)*each]
			w.Quantizer.SetRange(c, slices.Min(v), slices.Max(v))
		}
		w.Round()
	}
	nn.QuantizeNorms(n)
	m, err := nn.Export(n, nn.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func smallResNet(t testing.TB) *nn.Network {
	t.Helper()
	n, err := nn.ResNet(nn.ResNetConfig{Image: [3]int{3, 17, 19}, Depth: 8, Width: 12, PadShortcuts: true, Classes: 7}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func smallMobileNet(t testing.TB) *nn.Network {
	t.Helper()
	n, err := nn.MobileNet(nn.MobileNetConfig{
		Image: [3]int{3, 20, 18}, Classes: 5, Stem: 12, Head: 70,
		Stages: []nn.MobileNetStage{
			{Expand: 1, Channels: 10, Repeat: 1, Stride: 1}, {Expand: 3, Channels: 14, Repeat: 2, Stride: 2}, {Expand: 4, Channels: 18, Repeat: 2, Stride: 1},
		},
	}, 2)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func compiled(t testing.TB, m *onnx.Model, o options) *Program {
	t.Helper()
	if o.requant == "" {
		o.requant = ORT
	}
	if o.threads == 0 {
		o.threads = 1
	}
	p, err := load(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func inputOf(p *Program, batch int, seed uint64) []Tensor {
	shape := slices.Clone(p.inputs[0].Shape)
	shape[0] = batch
	return []Tensor{{Shape: shape, Data: noise(shape, seed)}}
}

func run(t testing.TB, p *Program, in []Tensor) []float32 {
	t.Helper()
	out, err := p.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out[0].Data
}

// A program computes what the network means: its outputs are those of the reference on real values, but for values that
// lie in the middle between two integers.
func TestReference(t *testing.T) {
	for name, n := range map[string]*nn.Network{"resnet": smallResNet(t), "mobilenet": smallMobileNet(t)} {
		for _, requant := range []string{ORT, Fixed} {
			t.Run(name+"/"+requant, func(t *testing.T) {
				m := deploy(t, n.Clone(), 8, 8)
				p := compiled(t, m, options{requant: requant})
				for _, s := range p.steps {
					if _, ok := s.(*floatStep); ok {
						t.Errorf("step %q (%s) is not in integers", s.about().Name, s.about().Op)
					}
				}
				in := inputOf(p, 3, 2)
				got := run(t, p, in)
				back, err := nn.Import(m)
				if err != nil {
					t.Fatal(err)
				}
				want, err := nn.Reference(back, map[string][]float32{back.Inputs[0]: in[0].Data}, 3)
				if err != nil {
					t.Fatal(err)
				}
				if db := quant.SQNR(want[back.Outputs[0]], got); db < 30 {
					t.Errorf("outputs have %.1f dB", db)
				}
			})
		}
	}
}

// The outputs are the same for any number of threads and images at a time, and for calls side by side.
func TestThreads(t *testing.T) {
	for _, n := range []*nn.Network{smallResNet(t), smallMobileNet(t)} {
		m := deploy(t, n, 4, 8)
		in := inputOf(compiled(t, m, options{}), 5, 3)
		want := run(t, compiled(t, m, options{}), in)
		each := len(want) / 5
		for _, threads := range []int{1, 2, 3} {
			p := compiled(t, m, options{threads: threads})
			for i := range p.parts {
				p.parts[i] = max(p.parts[i], min(4, p.steps[i].about().rows())) // these layers are too small to be shared out
				p.mostParts = max(p.mostParts, p.parts[i])
			}
			var calls sync.WaitGroup
			for range 4 {
				calls.Go(func() {
					for range 5 {
						if got := run(t, p, in); !slices.Equal(got, want) {
							t.Errorf("%d threads: other outputs", threads)
						}
						for i := range 5 {
							n := len(in[0].Data) / 5
							one := []Tensor{{Shape: append([]int{1}, in[0].Shape[1:]...), Data: in[0].Data[i*n : (i+1)*n]}}
							if got := run(t, p, one); !slices.Equal(got, want[i*each:(i+1)*each]) {
								t.Errorf("%d threads: image %d has other outputs", threads, i)
							}
						}
					}
				})
			}
			calls.Wait()
		}
	}
}

// rows is the number of parts that any step can be cut into.
func (n *note) rows() int {
	if n.out == nil {
		return 1
	}
	return n.out.m.H
}

// digest is that of all integers of an image, in both ways of requantizing.
func digest(t *testing.T) string {
	t.Helper()
	h := sha256.New()
	for _, n := range []*nn.Network{smallResNet(t), smallMobileNet(t)} {
		for _, bits := range []int{4, 8} {
			m := deploy(t, n.Clone(), bits, 8)
			for _, requant := range []string{ORT, Fixed} {
				p := compiled(t, m, options{requant: requant})
				if _, err := p.Integers(inputOf(p, 1, 4), func(_ string, q []uint8) { h.Write(q) }); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

const digestEnv = "ZAQ_TEST_DIGEST"

// Every path of kernels computes the same integers.
func TestPaths(t *testing.T) {
	if os.Getenv(digestEnv) != "" {
		fmt.Println("digest:", digest(t))
		return
	}
	if testing.Short() {
		t.Skip("slow")
	}
	want := digest(t)
	for _, path := range []string{"go", "avx2", "avx512", "neon"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestPaths$")
		cmd.Env = append(os.Environ(), digestEnv+"=1", "ZAQ_KERNELS="+path)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", path, err, out.String())
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("path %s: %s, want %s", path, out.String(), want)
		}
	}
}

// RunInto leaves nothing to the garbage collector.
func TestAllocations(t *testing.T) {
	m := deploy(t, smallMobileNet(t), 8, 8)
	for _, threads := range []int{1, 2} {
		for _, batch := range []int{1, 4} {
			p := compiled(t, m, options{threads: threads})
			in, out := inputOf(p, batch, 1), p.NewOutputs(batch)
			ctx := context.Background()
			if n := testing.AllocsPerRun(20, func() {
				if err := p.RunInto(ctx, out, in); err != nil {
					t.Fatal(err)
				}
			}); n > 0 {
				t.Errorf("%d threads, %d images: %v allocations", threads, batch, n)
			}
		}
	}
}

// No two tensors that are needed at the same time share memory.
func TestPlan(t *testing.T) {
	p := compiled(t, deploy(t, smallResNet(t), 8, 8), options{})
	sum := 0
	for i, a := range p.tensors {
		sum += a.m.Size()
		if a.at+a.m.Size() > p.bytes {
			t.Errorf("%s ends beyond the arena", a.name)
		}
		for _, b := range p.tensors[:i] {
			if a.first <= b.last && b.first <= a.last && a.at < b.at+b.m.Size() && b.at < a.at+a.m.Size() {
				t.Errorf("%s and %s overlap", a.name, b.name)
			}
		}
	}
	if p.bytes > sum/2 {
		t.Errorf("arena of %d bytes for tensors of %d", p.bytes, sum)
	}
}

// A cancelled call ends with the reason, and the next one works.
func TestCancel(t *testing.T) {
	p := compiled(t, deploy(t, smallResNet(t), 8, 8), options{threads: 2})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, batch := range []int{1, 3} {
		if _, err := p.Run(ctx, inputOf(p, batch, 1)); err != context.Canceled {
			t.Errorf("%d images: %v", batch, err)
		}
	}
	run(t, p, inputOf(p, 3, 1))
}

func TestInputErrors(t *testing.T) {
	p := compiled(t, deploy(t, smallResNet(t), 8, 8), options{})
	good := inputOf(p, 1, 1)[0]
	for _, tt := range []struct {
		in   []Tensor
		want string
	}{
		{nil, "0 inputs, want 1"},
		{[]Tensor{{Shape: good.Shape, Data: good.Data[1:]}}, "968 elements"},
		{[]Tensor{{Name: "image", Shape: good.Shape, Data: good.Data}}, `input 0 is "image", want "input"`},
		{[]Tensor{{Shape: []int{1, 3, 19, 17}, Data: good.Data}}, "has shape [1 3 19 17], want [-1 3 17 19]"},
		{[]Tensor{{Shape: []int{0, 3, 17, 19}}}, "no images"},
	} {
		if _, err := p.Run(context.Background(), tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
	if err := p.RunInto(context.Background(), p.NewOutputs(2), []Tensor{good}); err == nil {
		t.Error("outputs of two images taken for one")
	}
}
