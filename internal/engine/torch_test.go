package engine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"zaq/internal/oracle"
)

// parity is one computation that is done here and by PyTorch. Arrays travel as files of little-endian float32, maps
// as [B, H, W, C] and weights as this package has them; testdata/parity.py turns them around.
type parity struct {
	Name    string           `json:"name"`
	Op      string           `json:"op"` // a function of parity.py
	Args    map[string]any   `json:"args"`
	Tensors map[string][]int `json:"tensors"` // shapes of what PyTorch gets
	Wanted  []string         `json:"wanted"`  // of these, whose gradients

	t     *testing.T
	r     *rand.Rand
	g     *Graph
	batch int
	wrt   []*Param
	data  map[string][]float32
	got   map[string][]float32 // results; what PyTorch must return too
}

type attrs map[string]any

func newParity(t *testing.T, op, name string, batch int, args attrs) *parity {
	return &parity{
		Name: op + " " + name, Op: op, Args: args, Tensors: map[string][]int{},
		t: t, r: rand.New(rand.NewSource(int64(len(name) + 7*batch))), g: NewTrainingGraph(), batch: batch,
		data: map[string][]float32{}, got: map[string][]float32{},
	}
}

// give sends an array to PyTorch under a name.
func (c *parity) give(name string, data []float32, shape ...int) {
	c.Tensors[name], c.data[name] = shape, append([]float32(nil), data...)
}

// want compares an array after the run, under a name, with PyTorch's.
func (c *parity) want(name string, data []float32) { c.got[name] = data }

// input adds a random map whose gradient is compared.
func (c *parity) input(name string, h, w, ch int) *Tensor {
	return c.inputOf(name, randoms(c.r, c.batch*h*w*ch, 1), h, w, ch)
}

func (c *parity) inputOf(name string, data []float32, h, w, ch int) *Tensor {
	p := NewParam(name, data, false)
	c.track(p, c.batch, h, w, ch)
	return c.g.Variable(p, h, w, ch)
}

// param adds random numbers around a mean whose gradient is compared.
func (c *parity) param(name string, mean, deviation float64, shape ...int) *Param {
	n := 1
	for _, s := range shape {
		n *= s
	}
	p := NewParam(name, randoms(c.r, n, deviation), true)
	for i := range p.Data {
		p.Data[i] += float32(mean)
	}
	c.track(p, shape...)
	return p
}

func (c *parity) weight(name string, grid *WeightGrid, shape ...int) *Weight {
	p := c.param(name, 0, 0.5, shape...)
	w := NewWeight(name, p.Data, shape[len(shape)-1], grid)
	c.wrt[len(c.wrt)-1] = w.Param
	return w
}

func (c *parity) track(p *Param, shape ...int) {
	c.give(p.Name, p.Data, shape...)
	c.Wanted = append(c.Wanted, p.Name)
	c.wrt = append(c.wrt, p)
}

func (c *parity) must(x *Tensor, err error) *Tensor {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%s: %v", c.Name, err)
	}
	return x
}

// run computes y and the gradients of everything by a random gradient of y.
func (c *parity) run(y *Tensor) *parity {
	dy := randoms(c.r, c.batch*y.Len(), 1)
	c.give("dy", dy, c.batch, y.H, y.W, y.C)
	p := c.compute(Spec{Objective: []Term{{c.g.addLoss(&probe{newLoss("probe", y), y, dy}), 1}}, Outputs: []*Tensor{y}})
	c.want("y", p.Data(y))
	return c
}

// runLoss computes a loss and the gradients by it.
func (c *parity) runLoss(l *Loss) *parity {
	c.compute(Spec{Objective: []Term{{l, 1}}})
	c.want("loss", []float32{float32(l.Value)})
	return c
}

func (c *parity) compute(s Spec) *Program {
	c.t.Helper()
	s.Batch, s.WRT = c.batch, c.wrt
	p, err := c.g.Compile(s)
	if err != nil {
		c.t.Fatalf("%s: %v", c.Name, err)
	}
	p.Run()
	for _, q := range c.wrt {
		c.want("d "+q.Name, q.Grad)
	}
	return p
}

// probe is the loss sum of y*dy: its gradient is whatever one likes.
type probe struct {
	lossBase
	y  *Tensor
	dy []float32
}

func (n *probe) forward(b *builder) {
	y := b.value(n.y)
	b.global("probe", 1, func(int) {
		n.l.Value = 0
		for i, v := range y.rows(b.p, 0, b.p.batch) {
			n.l.Value += float64(v) * float64(n.dy[i])
		}
	}, y)
}

func (n *probe) backward(b *builder) {
	dx, acc := b.gradTarget(n.y)
	coef := float32(b.coef[n.l])
	b.image("probe", 0, func(c *chunk) {
		for i := c.n0; i < c.n1; i++ {
			d := dx.at(c, i)
			for j, v := range n.dy[i*n.y.Len():][:n.y.Len()] {
				put(d, j, coef*v, acc)
			}
		}
	}, dx)
}

// askTorch runs all cases in one Python and compares.
func askTorch(t *testing.T, cases []*parity, limit float64) {
	oracle.Python(t, "torch")
	dir := t.TempDir()
	for i, c := range cases {
		for name, data := range c.data {
			writeFloats(t, filepath.Join(dir, fmt.Sprintf("%d %s", i, name)), data)
		}
	}
	request, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cases.json"), request, 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.RunPython(t, "torch", filepath.Join("testdata", "parity.py"), dir)
	for i, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			for name, got := range c.got {
				want := readFloats(t, filepath.Join(dir, fmt.Sprintf("%d result %s", i, name)))
				if off := distance(got, want); !(off <= limit) {
					t.Errorf("%s is off by %.2g of its largest value", name, off)
				}
			}
		})
	}
}

// distance is max|a-b| / max|b|.
func distance(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	var diff, top float64
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if d != d {
			return math.NaN()
		}
		diff, top = max(diff, d), max(top, math.Abs(float64(b[i])))
	}
	if diff == 0 {
		return 0
	}
	return diff / top
}

func writeFloats(t *testing.T, path string, v []float32) {
	t.Helper()
	b := make([]byte, 0, 4*len(v))
	for _, e := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(e))
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFloats(t *testing.T, path string) []float32 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}
