package infer

import (
	"context"
	"math/bits"
	"runtime"
	"sync/atomic"

	"zaq/internal/intkernel"
)

// arena is the memory in which images are computed, one at a time.
type arena struct {
	bytes   []uint8
	reals   []float32
	scratch []intkernel.Scratch // one for each goroutine

	inputs, outputs [][]float32 // of the image, in the caller's memory
	err             error       // of a float step
}

func (a *arena) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

// job is a call's memory and its goroutines. The goroutine of the call works itself, and starts others that help.
//
// What there is to do with one image is one number, the ticket: a step, and a bit for each of its parts that is taken. Part i
// is for goroutine i, which has the neighbouring rows of the step before in its cache; others take it when that one does not come.
// Whoever finishes the last part of a step sets the ticket to the next step. A helper that comes late, or never, makes a call
// slow but not wrong.
type job struct {
	p      *Program
	arenas []*arena // the first is that of the call; the others, of helpers with images of their own, are made when needed

	ctx             context.Context // of the call, as the others here
	inputs, outputs []Tensor
	batch           int

	ticket  atomic.Uint64 // step<<32 | parts taken, a bit each; or the number of images taken
	done    atomic.Int64  // parts of the step that are finished
	failed  atomic.Pointer[error]
	helpers []helper
}

// helper is a goroutine that may be running.
type helper struct {
	running atomic.Bool
	step    atomic.Int64 // the last one that it had a part of
	byParts func()
	byImage func()
}

func newJob(p *Program) *job {
	j := &job{p: p, arenas: make([]*arena, p.threads), helpers: make([]helper, p.threads-1)}
	j.arenas[0] = newArena(p, p.threads)
	for i := range j.helpers {
		h := &j.helpers[i]
		h.byParts = func() { defer h.running.Store(false); j.helpParts(i + 1) }
		h.byImage = func() { defer h.running.Store(false); j.images(i + 1) }
	}
	j.ticket.Store(finished)
	return j
}

func newArena(p *Program, goroutines int) *arena {
	return &arena{
		bytes: make([]uint8, p.bytes), reals: make([]float32, p.floats), scratch: make([]intkernel.Scratch, goroutines),
		inputs: make([][]float32, len(p.inputs)), outputs: make([][]float32, len(p.outputs)),
	}
}

// forget drops the caller's memory.
func (j *job) forget() {
	j.ctx, j.inputs, j.outputs = nil, nil, nil
	for _, a := range j.arenas {
		if a != nil {
			clear(a.inputs)
			clear(a.outputs)
			a.err = nil
		}
	}
}

// set points the arena to the i-th image of the call.
func (j *job) set(a *arena, image int) {
	for i := range a.inputs {
		n := len(j.inputs[i].Data) / j.batch
		a.inputs[i] = j.inputs[i].Data[image*n : (image+1)*n]
	}
	for i := range a.outputs {
		n := len(j.outputs[i].Data) / j.batch
		a.outputs[i] = j.outputs[i].Data[image*n : (image+1)*n]
	}
}

func (j *job) run(ctx context.Context, outputs, inputs []Tensor, batch int) error {
	j.ctx, j.inputs, j.outputs, j.batch = ctx, inputs, outputs, batch
	if batch == 1 && len(j.helpers) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		return j.shared()
	}
	return j.spread()
}

// serial computes the image that the arena points to.
func (j *job) serial(a *arena) error {
	for _, s := range j.p.steps {
		s.run(a, 0, 0, 1)
	}
	return a.err
}

// finished is the ticket of no work.
const finished = 1 << 63

// spread computes a batch, every goroutine images of its own.
func (j *job) spread() error {
	if j.batch == 1 || len(j.helpers) == 0 {
		a := j.arenas[0]
		for i := range j.batch {
			if err := j.ctx.Err(); err != nil {
				return err
			}
			j.set(a, i)
			if err := j.serial(a); err != nil {
				return err
			}
		}
		return nil
	}
	j.wait() // for what may still look for parts
	j.failed.Store(nil)
	j.ticket.Store(0)
	for i := range min(len(j.helpers), j.batch-1) {
		if j.arenas[i+1] == nil {
			j.arenas[i+1] = newArena(j.p, 1)
		}
		j.helpers[i].running.Store(true)
		go j.helpers[i].byImage()
	}
	j.images(0)
	j.wait()
	j.ticket.Store(finished)
	if err := j.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// wait returns when no helper runs.
func (j *job) wait() {
	for i := range j.helpers {
		for j.helpers[i].running.Load() {
			runtime.Gosched()
		}
	}
}

// fail ends the call with an error, unless there is one.
func (j *job) fail(err error) { j.failed.CompareAndSwap(nil, &err) }

// images computes images until none is left.
func (j *job) images(worker int) {
	for j.image(worker) {
	}
}

// image computes the next image, if there is one.
func (j *job) image(worker int) bool {
	i := j.ticket.Add(1) - 1
	if i >= uint64(j.batch) || j.failed.Load() != nil {
		return false
	}
	if err := j.ctx.Err(); err != nil {
		j.fail(err)
		return false
	}
	a := j.arenas[worker]
	j.set(a, int(i))
	if err := j.serial(a); err != nil {
		j.fail(err)
	}
	return true
}

// maxParts is the number of parts that a ticket has bits for.
const maxParts = 32

// partsOf is the number of parts of a step.
func (j *job) partsOf(step int) int {
	return min(j.p.parts[step], 1+len(j.helpers), maxParts)
}

// shared computes one image with all goroutines at every step.
func (j *job) shared() error {
	a := j.arenas[0]
	j.set(a, 0)
	j.done.Store(0)
	j.ticket.Store(0)
	for i := range j.helpers {
		h := &j.helpers[i]
		h.step.Store(0)
		if h.running.CompareAndSwap(false, true) {
			go h.byParts()
		}
	}
	for spins := 0; ; spins++ {
		worked, more := j.part(0, spins)
		if !more {
			return a.err
		}
		if worked {
			spins = -1
		} else if spins > 1000 {
			runtime.Gosched()
		}
	}
}

// linger is how often a helper looks for the next call before it ends.
const linger = 20000

// helpParts helps until there has been nothing to do for a while.
func (j *job) helpParts(worker int) {
	for idle := 0; idle < linger; idle++ {
		if worked, _ := j.part(worker, idle); worked {
			idle = -1
		} else if idle%1000 == 999 {
			runtime.Gosched()
		}
	}
}

// patience is how often a goroutine looks in vain before it does the part of another.
const patience = 200

// part does a part of the present step, if there is one for the worker after so many looks in vain. It reports whether it did, and
// whether the image is not finished.
func (j *job) part(worker, looks int) (worked, more bool) {
	t := j.ticket.Load()
	if t >= finished {
		return false, false
	}
	step, taken := int(t>>32), uint32(t)
	parts := j.partsOf(step)
	mine := worker
	if mine >= parts || taken&(1<<mine) != 0 {
		mine = bits.TrailingZeros32(^taken)
		if mine >= parts || looks < patience && !j.absent(mine, step) {
			return false, true
		}
	}
	if !j.ticket.CompareAndSwap(t, t|1<<mine) {
		return false, true
	}
	if worker > 0 {
		j.helpers[worker-1].step.Store(int64(step))
	}
	j.p.steps[step].run(j.arenas[0], worker, mine, parts)
	if j.done.Add(1) < int64(parts) {
		return true, true
	}
	j.done.Store(0)
	if step+1 == len(j.p.steps) {
		j.ticket.Store(finished)
		return true, false
	}
	j.ticket.Store(uint64(step+1) << 32)
	return true, true
}

// absent reports whether a goroutine has not been seen for some steps.
func (j *job) absent(worker, step int) bool {
	return worker > 0 && j.helpers[worker-1].step.Load() < int64(step)-4
}
