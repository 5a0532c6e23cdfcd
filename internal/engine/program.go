package engine

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// lanes is the number of fixed parts of a batch. Sums over images are kept per lane and added in lane order.
const lanes = 8

// Program is a compiled computation. It is not safe for concurrent use; Run itself works on all threads.
type Program struct {
	batch   int
	threads int

	steps    []*step
	segments []segment
	buffers  []*buffer
	workers  []*worker

	arenaLen, localLen int // floats of the buffers of the batch, and of those of a worker
	arena              []float32
	allocated          bool

	shared  job
	scratch int // floats of scratch that a step may ask for

	values    map[*Tensor]*buffer
	outputs   []*Tensor
	wrt       map[*Param]bool
	laneGrads map[*Param]*laneSums[float32]
	products  map[*Param][]productSums
	straight  map[*Weight]bool // has its straight-through step

	// What happens before the first step and after the last: weights are rounded, then packed; pointwise
	// kernels are told their constants; gradients are finished.
	weights   []*Weight
	packs     []func()
	configure []func()
	sites     []*ActQuant
	finish    []func() // one after the other: they may share a parameter
	after     []func() // of finished gradients

	profile *Profile

	layer, phase string  // while building
	barriers     int     // so far
	overhead     float64 // of the node whose steps are built
}

type step struct {
	layer, phase, kernel string

	flops   float64 // executed for one image
	nominal float64 // of its definition
	image   func(c *chunk)
	global  func(task int)
	tasks   int

	weights int                  // floats that it reads for every image anew, or for all images of a chunk once
	largest int                  // floats of an image in the largest of its buffers
	scratch func(images int) int // floats of scratch that so many images take; may be nil

	// rows is into how many rows the images of a step that can work on some of them may be cut; 0: it cannot. A piece
	// of all its buffers is then of the same rows, but for those that it needs complete.
	rows     int
	complete []*buffer
	buffers  []*buffer
	inPlace  [][2]*buffer // what it reads, and what it may write there
}

// job is what the threads of a program share at a time.
type job struct {
	next   atomic.Int64 // task that nobody has taken yet
	tasks  int
	f      func(w *worker, task int)
	others sync.WaitGroup

	// The functions that are shared, made once: one made for every call would be garbage behind it.
	round, pack, global, images func(w *worker, task int)
	step                        *step   // of global
	segment                     segment // of images
}

// worker is what a thread has of its own.
type worker struct {
	join    func()    // takes tasks of the program's job until there are no more
	arena   []float32 // buffers that live within a segment
	scratch []float32
	chunk   chunk
}

// chunk is the range of images [n0, n1) that a step works on, by a worker, for a lane, or a piece of one image.
type chunk struct {
	p             *Program
	w             *worker
	lane          int
	n0, n1        int
	piece, pieces int
}

// rows are those of a map of so many that the piece is of.
func (c *chunk) rows(of int) (r0, r1 int) {
	return of / c.pieces * c.piece, of / c.pieces * (c.piece + 1)
}

// scratch returns n floats that no one else uses until the step ends.
func (c *chunk) scratch(n int) []float32 { return c.w.scratch[:n] }

func newProgram(spec Spec) *Program {
	threads := spec.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &Program{
		batch: spec.Batch, threads: min(threads, lanes), phase: "forward",
		profile: spec.Profile,
		wrt:     map[*Param]bool{}, laneGrads: map[*Param]*laneSums[float32]{}, products: map[*Param][]productSums{}, straight: map[*Weight]bool{},
	}
}

// needScratch makes sure that image steps have n floats of scratch.
func (p *Program) needScratch(n int) { p.scratch = max(p.scratch, n) }

// lane returns the images [n0, n1) of lane l.
func (p *Program) lane(l int) (n0, n1 int) { return p.batch * l / lanes, p.batch * (l + 1) / lanes }

// Batch is the number of images of a run.
func (p *Program) Batch() int { return p.batch }

// Has reports whether Data knows a tensor: an input that nothing the program computes depends on is not there.
func (p *Program) Has(t *Tensor) bool {
	v := p.values[t]
	return v != nil && v.pin
}

// Data returns the whole batch of a tensor that is an input or was named as an output: [Batch, H, W, C].
func (p *Program) Data(t *Tensor) []float32 {
	v := p.values[t]
	if v == nil || !v.pin {
		panic("engine: " + t.Name + " is neither input nor output of the program")
	}
	p.allocate()
	return p.arena[v.off : v.off+v.size*p.batch]
}

// Run computes everything once: losses, outputs and gradients.
func (p *Program) Run() {
	p.allocate()
	start := p.profile.start()
	p.prepare()
	for _, s := range p.segments {
		if first := p.steps[s.from]; first.global != nil {
			p.runGlobal(first)
		} else {
			p.runImages(s)
		}
	}
	for _, q := range p.sites {
		if !q.Observe {
			continue
		}
		q.Lo, q.Hi = slices.Min(q.laneLo[:]), slices.Max(q.laneHi[:])
	}
	p.profile.ran(start, p.threads)
}

// ready makes the functions that threads share, once workers are there.
func (p *Program) ready() {
	j := &p.shared
	j.round = func(_ *worker, i int) { p.weights[i].Value() }
	j.pack = func(_ *worker, i int) { p.packs[i]() }
	j.global = func(_ *worker, i int) { j.step.global(i) }
	j.images = p.runLane
	for _, w := range p.workers {
		w.join = func() {
			defer j.others.Done()
			j.take(w)
		}
	}
}

// prepare derives what the steps read from parameters and settings. What did not change is not derived again.
func (p *Program) prepare() {
	start := p.profile.start()
	for q := range p.wrt {
		clear(q.Grad) // every use of a parameter adds its share
	}
	p.parallel(len(p.weights), p.shared.round)
	p.parallel(len(p.packs), p.shared.pack)
	for _, f := range p.configure {
		f()
	}
	for _, q := range p.sites {
		q.laneLo, q.laneHi = [lanes]float32{}, [lanes]float32{}
	}
	p.profile.stop(&prepareStep, start, float64(p.batch))
}

var prepareStep = step{layer: "parameters", phase: "forward", kernel: "round and pack weights"}

func (p *Program) runGlobal(s *step) {
	start := p.profile.start()
	p.shared.step = s
	p.parallel(s.tasks, p.shared.global)
	p.profile.stop(s, start, float64(p.batch))
}

func (p *Program) runImages(s segment) {
	p.shared.segment = s
	p.parallel(lanes, p.shared.images)
}

// runLane takes the images of a lane through the segment's parts, a chunk at a time.
func (p *Program) runLane(w *worker, lane int) {
	for _, t := range p.shared.segment.parts {
		n0, n1 := p.lane(lane)
		for ; n0 < n1; n0 += t.chunk {
			for _, r := range t.runs {
				for piece := range r.pieces {
					w.chunk = chunk{p, w, lane, n0, min(n0+t.chunk, n1), piece, r.pieces}
					for _, st := range p.steps[r.from:r.to] {
						start := p.profile.start()
						st.image(&w.chunk)
						p.profile.stop(st, start, float64(w.chunk.n1-n0)/float64(r.pieces))
					}
				}
			}
		}
	}
}

// parallel runs f for every task, on as many threads as the program has. Which thread takes a task is left to
// chance; what a task computes must not depend on it.
func (p *Program) parallel(tasks int, f func(w *worker, task int)) {
	j := &p.shared
	j.tasks, j.f = tasks, f
	j.next.Store(0)
	for i := 1; i < min(p.threads, tasks); i++ {
		j.others.Add(1)
		go p.workers[i].join()
	}
	j.take(p.workers[0])
	j.others.Wait()
}

// take works on tasks until there are no more.
func (j *job) take(w *worker) {
	for t := int(j.next.Add(1)) - 1; t < j.tasks; t = int(j.next.Add(1)) - 1 {
		j.f(w, t)
	}
}
