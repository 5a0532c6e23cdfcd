package engine

import (
	"fmt"
	"math"
	"math/rand"
	"slices"
	"testing"

	"zaq/internal/kernel"
)

// What is live at the same time has room of its own, and never more room is taken than without any sharing.
func TestPlace(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 300 {
		all := make([]interval, r.Intn(60))
		sum := 0
		for i := range all {
			first := r.Intn(40)
			all[i] = interval{&buffer{}, first, first + r.Intn(1+r.Intn(20)), 1 + r.Intn(1+r.Intn(500))}
			sum += rounded(all[i].floats)
		}
		total := place(all)
		checkApart(t, all, total)
		peak := 0
		for at := range 60 {
			live := 0
			for _, x := range all {
				if x.first <= at && at <= x.last {
					live += rounded(x.floats)
				}
			}
			peak = max(peak, live)
		}
		if total < peak || total > sum {
			t.Fatalf("%d floats where %d are live at once and %d in all", total, peak, sum)
		}
	}
}

// Two of the same length that never meet share their room, and one that meets both does not.
func TestPlaceShares(t *testing.T) {
	a, b, c := &buffer{}, &buffer{}, &buffer{}
	if total := place([]interval{{a, 0, 1, 100}, {b, 2, 3, 100}, {c, 1, 2, 40}}); total != rounded(100)+rounded(40) {
		t.Errorf("%d floats", total)
	}
	if a.off != b.off || c.off < rounded(100) {
		t.Errorf("offsets %d, %d and %d", a.off, b.off, c.off)
	}
}

func rounded(floats int) int { return (floats + align - 1) / align * align }

func checkApart(t *testing.T, all []interval, total int) {
	t.Helper()
	for i, x := range all {
		if x.v.off < 0 || x.v.off%align != 0 || x.v.off+x.floats > total {
			t.Fatalf("%d floats at %d of %d", x.floats, x.v.off, total)
		}
		for _, y := range all[:i] {
			if x.first <= y.last && y.first <= x.last && x.v.off < y.v.off+y.floats && y.v.off < x.v.off+x.floats {
				t.Fatalf("%q [%d, %d) of time %d to %d overlaps %q [%d, %d) of time %d to %d", x.v.name, x.v.off, x.v.off+x.floats,
					x.first, x.last, y.v.name, y.v.off, y.v.off+y.floats, y.first, y.last)
			}
		}
	}
}

// The plan of a network with everything in it, at batches below, at and above the number of lanes.
func TestPlan(t *testing.T) {
	for _, batch := range []int{1, 3, 7, 8, 9, 16, 100} {
		n := build(t, rand.New(rand.NewSource(2)))
		p, err := n.g.Compile(Spec{Batch: batch, Objective: n.objective()[:3], WRT: n.params, Outputs: []*Tensor{n.out}, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		segmentOf := make([]int, len(p.steps))
		at := 0
		for i, s := range p.segments {
			if s.from != at || s.to <= s.from {
				t.Fatalf("segment %d is [%d, %d) behind step %d", i, s.from, s.to, at)
			}
			at = s.to
			for j := s.from; j < s.to; j++ {
				segmentOf[j] = i
				if p.steps[j].global != nil && s.to-s.from != 1 {
					t.Fatalf("barrier %q shares segment %d", p.steps[j].kernel, i)
				}
			}
		}
		if at != len(p.steps) {
			t.Fatalf("segments end at step %d of %d", at, len(p.steps))
		}
		partOf, runOf := make([]*part, len(p.steps)), make([]*run, len(p.steps))
		for i, s := range p.segments {
			at := s.from
			for j := range s.parts {
				part := &s.parts[j]
				if part.from != at || part.to <= at || part.to > s.to {
					t.Fatalf("part of segment %d is [%d, %d) behind step %d", i, part.from, part.to, at)
				}
				if part.chunk < 1 || part.chunk > p.laneImages() {
					t.Errorf("batch %d: %d images go together, a lane has %d", batch, part.chunk, p.laneImages())
				}
				for j := range part.runs {
					run := &part.runs[j]
					if run.from != at || run.to <= at || run.to > part.to {
						t.Fatalf("run of segment %d is [%d, %d) behind step %d", i, run.from, run.to, at)
					}
					at = run.to
					if run.pieces < 1 || run.pieces > 1 && (part.chunk > 1 || p.steps[run.from].rows%run.pieces != 0) {
						t.Errorf("batch %d: %d images of %d rows in %d pieces", batch, part.chunk, p.steps[run.from].rows, run.pieces)
					}
					checkRun(t, p, *run)
				}
				if at != part.to {
					t.Fatalf("runs end at step %d of %d", at, part.to)
				}
				for j := part.from; j < part.to; j++ {
					partOf[j] = part
					if s := p.steps[j]; part.chunk > 1 && part.chunk*s.largest > max(chunkBytes/4, s.weights) {
						t.Errorf("batch %d: %d images in %s", batch, part.chunk, s.kernel)
					}
					for k := range part.runs {
						if r := &part.runs[k]; r.from <= j && j < r.to {
							runOf[j] = r
						}
					}
				}
			}
			if at != s.to {
				t.Fatalf("parts of segment %d end at step %d of %d", i, at, s.to)
			}
		}
		var local, whole []interval
		for _, v := range p.buffers {
			if !v.used && !v.pin {
				continue
			}
			if v.in != nil {
				if v.in.in != nil || v.in.last < v.last || v.in.first >= v.first || v.off != v.in.off || v.scope != v.in.scope {
					t.Errorf("%s is not in place of %s", v.name, v.in.name)
				}
				continue
			}
			first, last := v.first, v.last
			want := ofBatch
			switch {
			case v.pin:
				whole = append(whole, interval{v, 0, len(p.segments), v.size * batch})
			case segmentOf[first] != segmentOf[last] || p.steps[first].global != nil:
				whole = append(whole, interval{v, segmentOf[first], segmentOf[last], v.size * batch})
			case partOf[first] != partOf[last]:
				want = ofLane
				local = append(local, interval{v, partOf[first].from, partOf[last].to - 1, v.size * p.laneImages()})
			case runOf[first] != runOf[last]:
				want = ofChunk
				local = append(local, interval{v, runOf[first].from, runOf[last].to - 1, v.size * partOf[first].chunk})
			default:
				want = ofPiece
				local = append(local, interval{v, first, last, v.size * partOf[first].chunk / runOf[first].pieces})
			}
			if v.scope != want {
				t.Errorf("%s of steps %d to %d has scope %d, not %d", v.name, first, last, v.scope, want)
			}
		}
		if len(local) == 0 || len(whole) == 0 {
			t.Errorf("%d buffers of workers, %d of the batch", len(local), len(whole))
		}
		checkApart(t, local, p.localLen)
		checkApart(t, whole, p.arenaLen)
	}
}

// checkRun: where images go in pieces, no step of the run needs complete what another one knows in pieces.
func checkRun(t *testing.T, p *Program, r run) {
	t.Helper()
	if r.pieces == 1 {
		return
	}
	for i, s := range p.steps[r.from:r.to] {
		for _, v := range s.complete {
			for j, u := range p.steps[r.from:r.to] {
				if slices.Contains(u.buffers, v) && !slices.Contains(u.complete, v) {
					t.Errorf("step %d of a run in pieces needs %s complete, step %d does not", i, v.name, j)
				}
			}
		}
	}
}

// No step reads what no step of the same run wrote: a run over rubbish has the same bits.
func TestRubbish(t *testing.T) {
	r := rand.New(rand.NewSource(4))
	n := build(t, r)
	const batch = 9
	p, err := n.g.Compile(Spec{Batch: batch, Objective: n.objective(), WRT: n.params, Outputs: []*Tensor{n.out}})
	if err != nil {
		t.Fatal(err)
	}
	z := randoms(r, batch*5, 1)
	run := func() (bits [][]uint32) {
		copy(p.Data(n.in), z)
		p.Run()
		for _, q := range n.params {
			bits = append(bits, bitsOf(q.Grad))
		}
		return append(bits, bitsOf(p.Data(n.out)))
	}
	if p.arena != nil || p.Memory() == 0 {
		t.Error("a program that was only compiled has memory, or plans none")
	}
	want := run()
	rubbish := [][]float32{p.arena}
	for _, w := range p.workers {
		rubbish = append(rubbish, w.arena, w.scratch)
	}
	for _, q := range n.params {
		rubbish = append(rubbish, q.Grad)
	}
	for _, a := range rubbish {
		for i := range a {
			a[i] = float32(math.NaN())
		}
	}
	for i, got := range run() {
		for j, v := range got {
			if v != want[i][j] {
				t.Fatalf("result %d, element %d: %v, then %v", i, j, math.Float32frombits(want[i][j]), math.Float32frombits(v))
			}
		}
	}
}

func bitsOf(v []float32) []uint32 {
	b := make([]uint32, len(v))
	for i, e := range v {
		b[i] = math.Float32bits(e)
	}
	return b
}

// frozen is a network in which images do not meet: convolutions, frozen normalization, a residual, pools, a linear layer,
// under a loss that is a mean over images.
func frozen(t testing.TB, r *rand.Rand, labels []int) (g *Graph, x, y *Tensor, loss *Loss, params []*Param) {
	g = NewGraph()
	must := func(x *Tensor, err error) *Tensor {
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	weight := func(n, c int) *Weight {
		w := NewWeight(fmt.Sprint("w", len(params)), randoms(r, n*c, 0.3), c, nil)
		params = append(params, w.Param)
		return w
	}
	norm := func(x *Tensor) *Tensor {
		gamma, beta := NewParam("gamma", ones(x.C), false), NewParam("beta", randoms(r, x.C, 0.3), false)
		params = append(params, gamma, beta)
		return g.BatchNorm(fmt.Sprint("bn", len(params)), x, gamma, beta, &Stats{Mean: randoms(r, x.C, 0.3), Var: ones(x.C), Epsilon: 1e-5}, false)
	}
	x = g.Input("x", 9, 8, 3)
	a := g.Activate("relu1", norm(must(g.Conv("conv1", x, weight(27, 7), square(7, 3, 1, 1)))), Activation{Kind: kernel.ActReLU})
	b := norm(must(g.Conv("conv2", a, weight(63, 7), square(7, 3, 1, 1))))
	b = g.Activate("relu2", g.Add("sum", b, a), Activation{Kind: kernel.ActReLU})
	b = g.MaxPool("pool", b, Pool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}, Dilation: [2]int{1, 1}})
	bias := NewParam("bias", randoms(r, 4, 1), false)
	params = append(params, bias)
	y = must(g.Linear("fc", g.GlobalAveragePool("gap", b), weight(7, 4), bias, 1, 1, 4))
	return g, x, y, g.CrossEntropy("loss", y, labels, 0), params
}

// A batch of any size computes for every image what a batch of one does, and the mean of their losses and gradients.
func TestBatches(t *testing.T) {
	const most = 41
	r := rand.New(rand.NewSource(9))
	images := randoms(r, most*9*8*3, 1)
	labels := make([]int, most)
	for i := range labels {
		labels[i] = r.Intn(4)
	}
	type result struct {
		loss  float64
		out   []float32
		grads [][]float32
	}
	run := func(from, to int) (s result) {
		g, x, y, loss, params := frozen(t, rand.New(rand.NewSource(10)), labels[from:to])
		p, err := g.Compile(Spec{Batch: to - from, Objective: []Term{{loss, 1}}, WRT: params, Outputs: []*Tensor{y}})
		if err != nil {
			t.Fatal(err)
		}
		copy(p.Data(x), images[from*x.Len():to*x.Len()])
		p.Run()
		s.loss, s.out = loss.Value, p.Data(y)
		for _, q := range params {
			s.grads = append(s.grads, q.Grad)
		}
		return s
	}
	singles := make([]result, most)
	for i := range singles {
		singles[i] = run(i, i+1)
	}
	for _, batch := range []int{2, 3, 7, 8, 9, 15, 16, 17, 23, 40, 41} {
		got := run(0, batch)
		var want result
		for i, s := range singles[:batch] {
			want.loss += s.loss / float64(batch)
			want.out = append(want.out, s.out...)
			for k, grad := range s.grads {
				if i == 0 {
					want.grads = append(want.grads, make([]float32, len(grad)))
				}
				kernel.Axpy(want.grads[k], 1/float32(batch), grad)
			}
		}
		if math.Abs(got.loss-want.loss) > 1e-6*want.loss {
			t.Errorf("%d images: loss %v, of single images %v", batch, got.loss, want.loss)
		}
		if off := distance(got.out, want.out); off > 1e-6 {
			t.Errorf("%d images: outputs off by %.1g", batch, off)
		}
		for k := range want.grads {
			if off := distance(got.grads[k], want.grads[k]); off > 1e-5 {
				t.Errorf("%d images: gradient %d off by %.1g", batch, k, off)
			}
		}
	}
}

// Data gives inputs and outputs only: what else a program computes may be gone after a run.
func TestData(t *testing.T) {
	g, x, y, _, _ := frozen(t, rand.New(rand.NewSource(1)), nil)
	unused := g.Input("unused", 1, 1, 2)
	inner := g.Activate("inner", x, Activation{Kind: kernel.ActReLU})
	kept := g.MaxPool("kept", inner, Pool{Kernel: [2]int{2, 2}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}})
	p, err := g.Compile(Spec{Batch: 3, Outputs: []*Tensor{y, kept}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		tensor *Tensor
		kept   bool
	}{{x, true}, {y, true}, {kept, true}, {inner, false}, {unused, false}} {
		func() {
			defer func() {
				if panicked := recover() != nil; panicked == v.kept {
					t.Errorf("%v: panic %v", v.tensor, panicked)
				}
			}()
			if n := len(p.Data(v.tensor)); n != 3*v.tensor.Len() {
				t.Errorf("%v: %d floats", v.tensor, n)
			}
		}()
	}
}

// Compile refuses what makes no sense.
func TestCompileErrors(t *testing.T) {
	g, x, y, loss, params := frozen(t, rand.New(rand.NewSource(1)), []int{0, 1, 2})
	other := NewGraph().Input("elsewhere", 1, 1, 1)
	for _, s := range []Spec{
		{Batch: 0, Outputs: []*Tensor{y}},
		{Batch: 3, WRT: params},
		{Batch: 3, Outputs: []*Tensor{other}},
		{Batch: 3, Outputs: []*Tensor{y, nil}},
		{Batch: 3, Objective: []Term{{NewGraph().MeanAbs("far", x), 1}}},
	} {
		if _, err := g.Compile(s); err == nil {
			t.Errorf("no error for batch %d, %d parameters, %d outputs", s.Batch, len(s.WRT), len(s.Outputs))
		}
	}
	p, err := g.Compile(Spec{Batch: 3, Objective: []Term{{loss, 1}}, WRT: params, Outputs: []*Tensor{x}})
	if err != nil {
		t.Fatalf("an input as output: %v", err)
	}
	p.Run()
}

// A second program of a graph may want outputs that the first did not.
func TestSecondProgram(t *testing.T) {
	r := rand.New(rand.NewSource(6))
	g := NewGraph()
	x := g.Input("x", 3, 3, 2)
	sum := g.Affine("affine", x, []float32{2, 4}, []float32{1, -1})
	y := g.Activate("relu", sum, Activation{Kind: kernel.ActReLU})
	for _, outputs := range [][]*Tensor{{y}, {sum, y}, {sum}} {
		p, err := g.Compile(Spec{Batch: 5, Outputs: outputs})
		if err != nil {
			t.Fatal(err)
		}
		in := p.Data(x)
		copy(in, randoms(r, len(in), 1))
		p.Run()
		for _, o := range outputs {
			for i, v := range p.Data(o) {
				want := float32([]float32{2, 4}[i%2]*in[i]) + []float32{1, -1}[i%2]
				if o == y {
					want = max(want, 0)
				}
				if v != want {
					t.Fatalf("%s[%d] is %v, not %v", o.Name, i, v, want)
				}
			}
		}
	}
}

// What a site observed stays until it observes again.
func TestObserve(t *testing.T) {
	g := NewGraph()
	x := g.Input("x", 1, 1, 4)
	q := &ActQuant{Name: "site", Scale: 0.5, QMin: -8, QMax: 7, On: true, Observe: true}
	y := g.FakeQuant("y", x, q)
	p, err := g.Compile(Spec{Batch: 3, Outputs: []*Tensor{y}})
	if err != nil {
		t.Fatal(err)
	}
	copy(p.Data(x), []float32{-1.3, 2, 0.2, 0, 9, 1, -2, 3, 4, 1, 1, 1})
	p.Run()
	if q.Lo != -2 || q.Hi != 9 {
		t.Errorf("observed %v to %v", q.Lo, q.Hi)
	}
	if got := p.Data(y)[:5]; got[0] != -1.5 || got[4] != 3.5 {
		t.Errorf("rounded to %v", got)
	}
	inf := float32(math.Inf(1)) // which are no ends of a range
	copy(p.Data(x), []float32{inf, -3, -inf, 0, inf, inf, inf, inf, 5, 1, 1, 1})
	p.Run()
	if q.Lo != -3 || q.Hi != 5 {
		t.Errorf("observed %v to %v between infinities", q.Lo, q.Hi)
	}
	q.Observe = false
	p.Run()
	if q.Lo != -3 || q.Hi != 5 {
		t.Errorf("a run without observation left %v to %v", q.Lo, q.Hi)
	}
}
