package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"zaq/internal/engine"
	"zaq/internal/method"
	"zaq/internal/oracle"
	"zaq/internal/workload"
)

// duel is a game here and in PyTorch, from the same state.
//
// Where activations are rounded, sums that are added in another order now and then make a value that rounds to the other
// side. In four bits such a difference moves the values behind it past other edges, until by the last layer the outputs
// differ by as much as rounding changes them at all. ResNet-20 has no batch without one. So it is compared with rounded
// weights and float activations, and for the rest there is a network so small that some noise stays clear of all edges.
type duel struct {
	margin float64 // from edges, in steps of a grid
	t      *testing.T
	steps  *method.Steps
	peer   *torch
	file   string // for arrays
}

func newDuel(t *testing.T, network string, batch int, margin float64) *duel {
	t.Helper()
	peer, err := startTorch(oracle.Python(t, "torch"), 1, peerEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := peer.stop(); err != nil {
			t.Error(err)
		}
	})
	d := &duel{t: t, peer: peer, margin: margin, file: filepath.Join(t.TempDir(), "arrays")}
	if d.steps, err = workload.Game(network, batch, 0); err != nil {
		t.Fatal(err)
	}
	if margin == 0 {
		for _, s := range d.steps.Sites {
			s.On = false
		}
	}
	d.ask(request{"do": "open", "id": "game", "work": "game", "layout": "channels_last", "network": network, "batch": batch}, nil)
	d.load()
	return d
}

func (d *duel) ask(r request, v any) {
	d.t.Helper()
	if err := d.peer.ask(r, v); err != nil {
		d.t.Fatal(err)
	}
}

// load makes PyTorch begin where zaq is.
func (d *duel) load() {
	d.t.Helper()
	var arrays []any
	var data []byte
	add := func(name string, v []float32) {
		arrays = append(arrays, []any{name, len(v)})
		data, _ = binary.Append(data, binary.LittleEndian, v)
	}
	for _, p := range append(d.steps.Generator, d.steps.Network...) {
		add(p.Name, p.Data)
	}
	for i, s := range d.steps.Statistics {
		add(fmt.Sprint("statistics ", 2*i), s.Mean)
		add(fmt.Sprint("statistics ", 2*i+1), s.Var)
	}
	sites := [][2]float64{}
	for _, s := range d.steps.Sites {
		if s.On {
			sites = append(sites, [2]float64{float64(s.Scale), float64(s.Zero)})
		}
	}
	if err := os.WriteFile(d.file, data, 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.ask(request{"do": "load", "id": "game", "file": d.file, "arrays": arrays, "sites": sites}, nil)
}

// trace is a step that PyTorch took.
type trace struct {
	Do, Df float64
	Arrays [][2]any

	values map[string][]float32
}

func (d *duel) trace(step string) *trace {
	d.t.Helper()
	s := &trace{values: map[string][]float32{}}
	d.ask(request{"do": "trace", "id": "game", "step": step, "margin": d.margin, "file": d.file}, s)
	data, err := os.ReadFile(d.file)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, a := range s.Arrays {
		v := make([]float32, int(a[1].(float64)))
		used, err := binary.Decode(data, binary.LittleEndian, v)
		if err != nil {
			d.t.Fatal(err)
		}
		s.values[a[0].(string)], data = v, data[used:]
	}
	return s
}

// restart puts zaq where PyTorch was before the step.
func (d *duel) restart(s *trace, taken int) {
	d.t.Helper()
	take := func(name string, to []float32) {
		d.t.Helper()
		if v, ok := s.values[name]; !ok || copy(to, v) != len(to) {
			d.t.Fatalf("PyTorch has %d numbers of %q, not %d", len(v), name, len(to))
		}
	}
	each := func(params []*engine.Param, moments map[string][][]float32) {
		for i, p := range params {
			take(p.Name, p.Data)
			p.Changed()
			for moment, m := range moments {
				take(moment+" "+p.Name, m[i])
			}
		}
	}
	each(d.steps.Generator, map[string][][]float32{"exp_avg": d.steps.Adam.M, "exp_avg_sq": d.steps.Adam.V})
	each(d.steps.Network, map[string][][]float32{"momentum_buffer": d.steps.SGD.Velocity})
	d.steps.Adam.Steps = taken
}

// gradient runs the program of the step on the noise that PyTorch had.
func (d *duel) gradient(step string, s *trace) []*engine.Param {
	program, params := d.steps.Q, d.steps.Network
	if step == "G" {
		program, params = d.steps.G, d.steps.Generator
	}
	copy(program.Data(d.steps.Z), s.values["z"])
	program.Run()
	return params
}

func off(got, want float64) float64 { return math.Abs(got-want) / math.Abs(want) }

// cosine compares the gradients of all parameters together.
func (s *trace) cosine(params []*engine.Param) float64 {
	var gg, ww, gw float64
	for _, p := range params {
		for i, w := range s.values["gradient "+p.Name] {
			g, w := float64(p.Grad[i]), float64(w)
			gg, ww, gw = gg+g*g, ww+w*w, gw+g*w
		}
	}
	return gw / math.Sqrt(gg*ww)
}

// Ten steps of each side of the game, each from where PyTorch was before it, have its losses and its gradients. Ten steps
// in a row are TestTenLosses of package engine: here some weight comes to lie at an edge in between.
func TestTenRestartedSteps(t *testing.T) {
	t.Run("ResNet-20, W4", func(t *testing.T) { newDuel(t, "resnet20", 8, 0).restarted() })
	t.Run("ResNet-8 of three channels, W4A4", func(t *testing.T) { newDuel(t, "resnet8", 3, 1e-5).restarted() })
}

func (d *duel) restarted() {
	var worst, least = 0.0, 1.0
	for i := range 10 {
		for taken, step := range []string{"G", "Q"} {
			s := d.trace(step)
			d.restart(s, i+taken)
			params := d.gradient(step, s)
			do, df := d.steps.Discrepancy()
			cos := s.cosine(params)
			worst, least = max(worst, off(do, s.Do), off(df, s.Df)), min(least, cos)
			if !(off(do, s.Do) < 1e-4 && off(df, s.Df) < 1e-4) {
				d.t.Errorf("%s step %d: D_o %.6f and D_f %.6f, PyTorch has %.6f and %.6f", step, i, do, df, s.Do, s.Df)
			}
			if !(cos > 0.9999) {
				d.t.Errorf("%s step %d: cosine of the gradients %.6f", step, i, cos)
			}
		}
	}
	d.t.Logf("largest relative difference of losses %.1e, least cosine of gradients 1 - %.1e", worst, 1-least)
}
