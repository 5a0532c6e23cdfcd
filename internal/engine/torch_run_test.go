package engine

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"zaq/internal/kernel"
	"zaq/internal/oracle"
	"zaq/internal/quant"
)

// tiny is a generator, a network and its 4-bit twin, small enough to be trained in a test.
type tiny struct {
	t        *testing.T
	r        *rand.Rand
	g        *Graph
	arrays   map[string][]float32 // initial values, for PyTorch
	shapes   map[string][]int
	gen      []*Param
	q        []*Param
	z, image *Tensor
}

const (
	tinyBatch   = 13
	tinyLatent  = 11
	tinyClasses = 5
	tinyWidth   = 6
)

func (n *tiny) array(name string, mean, deviation float64, shape ...int) []float32 {
	size := 1
	for _, s := range shape {
		size *= s
	}
	v := randoms(n.r, size, deviation)
	for i := range v {
		v[i] += float32(mean)
	}
	n.arrays[name], n.shapes[name] = append([]float32(nil), v...), shape
	return v
}

func (n *tiny) must(x *Tensor, err error) *Tensor {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
	return x
}

// generator is Linear, BN, 2x up, Conv + BN + LeakyReLU, 2x up, Conv, Tanh, BN: noise to images of 12 x 12 x 3.
func (n *tiny) generator() {
	weight := func(name string, deviation float64, shape ...int) *Weight {
		w := NewWeight(name, n.array(name, 0, deviation, shape...), shape[len(shape)-1], nil)
		n.gen = append(n.gen, w.Param)
		return w
	}
	vector := func(name string, mean float64, c int) *Param {
		p := NewParam(name, n.array(name, mean, 0.2, c), false)
		n.gen = append(n.gen, p)
		return p
	}
	stats := func(c int) *Stats { return &Stats{Mean: make([]float32, c), Var: ones(c), Epsilon: 1e-5} }
	g := n.g
	n.z = g.Input("z", 1, 1, tinyLatent)
	x := n.must(g.Linear("g.fc", n.z, weight("g.fc", 0.3, tinyLatent, 3*3*8), vector("g.fc.bias", 0, 3*3*8), 3, 3, 8))
	x = g.BatchNorm("g.bn0", x, vector("g.bn0.gamma", 1, 8), vector("g.bn0.beta", 0, 8), stats(8), true)
	x = g.Upsample2x("g.up0", x)
	x = n.must(g.Conv("g.conv0", x, weight("g.conv0", 0.2, 3, 3, 8, 8), square(8, 3, 1, 1)))
	x = g.BatchNorm("g.bn1", x, vector("g.bn1.gamma", 1, 8), vector("g.bn1.beta", 0, 8), stats(8), true)
	x = g.Activate("g.leaky", x, Activation{Kind: kernel.ActLeakyReLU, Alpha: 0.2})
	x = g.Upsample2x("g.up1", x)
	x = n.must(g.Conv("g.conv1", x, weight("g.conv1", 0.2, 3, 3, 8, 3), square(3, 3, 1, 1)))
	x = g.Tanh("g.tanh", x)
	n.image = g.BatchNorm("image", x, nil, nil, stats(3), true)
}

// network is Conv + BN + ReLU three times, the third with a residual sum, pooling and a linear layer. The twin starts from
// the same numbers and rounds its weights, and its activations on fixed ranges, to 4 bits. It returns the feature
// maps and the logits.
func (n *tiny) network(quantized bool) (features []*Tensor, logits *Tensor) {
	g, prefix := n.g, "p."
	if quantized {
		prefix = "q."
	}
	array := func(name string, mean, deviation float64, shape ...int) []float32 {
		if v, ok := n.arrays[name]; ok {
			return append([]float32(nil), v...)
		}
		return n.array(name, mean, deviation, shape...)
	}
	train := func(p *Param) *Param {
		if quantized {
			n.q = append(n.q, p)
		}
		return p
	}
	weight := func(name string, shape ...int) *Weight {
		c := shape[len(shape)-1]
		var grid *WeightGrid
		if quantized {
			q := quant.New(quant.Scheme{Bits: 4, PerChannel: true})
			grid = &WeightGrid{QMin: q.QMin, QMax: q.QMax, Scale: make([]float32, c), Zero: make([]int32, c),
				Fit: func(w []float32, scale []float32, zero []int32) { fitMinMax(q, w, c, scale, zero) }}
		}
		w := NewWeight(name, array(name, 0, 0.25, shape...), c, grid)
		train(w.Param)
		return w
	}
	x, in := n.image, 3
	var residual *Tensor
	for i := range 3 {
		name := fmt.Sprintf("conv%d", i)
		x = n.must(g.Conv(prefix+name, x, weight(name, 3, 3, in, tinyWidth), square(tinyWidth, 3, 1, 1)))
		stats := &Stats{Mean: array(name+".mean", 0, 0.3, tinyWidth), Var: array(name+".var", 1, 0.1, tinyWidth), Epsilon: 1e-5}
		gamma := train(NewParam(name+".gamma", array(name+".gamma", 1, 0.2, tinyWidth), false))
		beta := train(NewParam(name+".beta", array(name+".beta", 0, 0.2, tinyWidth), false))
		x = g.BatchNorm(prefix+name+" bn", x, gamma, beta, stats, false)
		if i == 2 {
			x = g.Add(prefix+"sum", x, residual)
		}
		x = g.Activate(prefix+name+" relu", x, Activation{Kind: kernel.ActReLU})
		if quantized {
			x = g.FakeQuant(prefix+name+" quant", x, &ActQuant{Scale: 0.2, QMax: 15, On: true})
		}
		if i == 0 {
			residual = x
		} else {
			features = append(features, x)
		}
		in = tinyWidth
	}
	x = g.GlobalAveragePool(prefix+"pool", x)
	bias := train(NewParam("fc.bias", array("fc.bias", 0, 0.2, tinyClasses), false))
	return features, n.must(g.Linear(prefix+"logits", x, weight("fc", tinyWidth, tinyClasses), bias, 1, 1, tinyClasses))
}

// Ten steps of the game between generator and quantized network have the losses that PyTorch has.
func TestTenLosses(t *testing.T) {
	oracle.Python(t, "torch")
	n := &tiny{t: t, r: rand.New(rand.NewSource(11)), g: NewTrainingGraph(), arrays: map[string][]float32{}, shapes: map[string][]int{}}
	n.generator()
	featP, outP := n.network(false)
	featQ, outQ := n.network(true)
	do, df := n.g.L1("outputs", outP, outQ), n.g.CRM("features", featP, featQ)

	const steps, alpha = 10, 0.1
	compile := func(sign float64, wrt []*Param) *Program {
		p, err := n.g.Compile(Spec{Batch: tinyBatch, Objective: []Term{{do, sign}, {df.Loss, sign * alpha}}, WRT: wrt})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	stepG, stepQ := compile(-1, n.gen), compile(1, n.q)
	adam := NewAdam(n.gen, 1e-3, 0.9, 0.999)
	sgd := NewSGD(n.q, 0.9, 5e-4, true)
	sgd.LR = 0.01

	z := n.array("z", 0, 1, steps, tinyBatch, tinyLatent)
	var got []float32 // D_o and D_f before either step
	record := func(p *Program, z []float32) {
		copy(p.Data(n.z), z)
		p.Run()
		got = append(got, float32(do.Value), float32(df.Loss.Value))
	}
	for i := range steps {
		z := z[i*tinyBatch*tinyLatent:][:tinyBatch*tinyLatent]
		record(stepG, z)
		adam.Step()
		record(stepQ, z)
		ClipGradNorm(n.q, 1)
		sgd.Step()
	}

	dir := t.TempDir()
	for name, v := range n.arrays {
		writeFloats(t, filepath.Join(dir, name), v)
	}
	request, err := json.Marshal(map[string]any{"shapes": n.shapes, "steps": steps, "alpha": alpha})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "run.json"), request, 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.RunPython(t, "torch", filepath.Join("testdata", "losses.py"), dir)
	want := readFloats(t, filepath.Join(dir, "losses"))
	if len(want) != len(got) {
		t.Fatalf("%d losses, PyTorch has %d", len(got), len(want))
	}
	var worst float64
	for i, v := range got {
		off := distance([]float32{v}, []float32{want[i]})
		worst = max(worst, off)
		if !(off <= 1e-3) {
			t.Errorf("step %d of %s: %s is %.6f, PyTorch has %.6f", i/4, [2]string{"G", "Q"}[i/2%2], [2]string{"D_o", "D_f"}[i%2], v, want[i])
		}
	}
	t.Logf("largest relative difference of %d losses %.1e; D_o from %.4f to %.4f, D_f from %.4f to %.4f",
		len(got), worst, got[0], got[len(got)-2], got[1], got[len(got)-1])
}
