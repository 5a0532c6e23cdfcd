package engine

import "sort"

// buffer is the room for one tensor's map, or its gradient: size floats an image.
type buffer struct {
	name string
	size int

	// pin keeps a whole-batch buffer for the program's life: inputs and outputs.
	pin bool
	// local buffers live within one segment and hold one chunk; each worker has its own.
	local bool
	off   int

	first, last int // steps that touch it
	used        bool
}

// at returns the map of image n.
func (v *buffer) at(c *chunk, n int) []float32 {
	if v.local {
		i := v.off + (n-c.n0)*v.size
		return c.w.arena[i : i+v.size : i+v.size]
	}
	i := v.off + n*v.size
	return c.p.arena[i : i+v.size : i+v.size]
}

// rows returns the maps of images n0 to n1, one after the other.
func (v *buffer) rows(p *Program, n0, n1 int) []float32 {
	return p.arena[v.off+n0*v.size : v.off+n1*v.size]
}

func (p *Program) newBuffer(name string, size int) *buffer {
	v := &buffer{name: name, size: size}
	p.buffers = append(p.buffers, v)
	return v
}

func (p *Program) addStep(s *step, bufs []*buffer) {
	s.layer, s.phase = p.layer, p.phase
	for _, v := range bufs {
		if v == nil {
			continue
		}
		if !v.used {
			v.first, v.used = len(p.steps), true
		}
		v.last = len(p.steps)
	}
	p.steps = append(p.steps, s)
}

// chunkBytes is how much of one segment's largest map should go through it at a time: small enough for the
// second-level cache to hold a few of them.
const chunkBytes = 128 << 10

// plan cuts the steps into segments and gives every buffer its place.
func (p *Program) plan() {
	segmentOf := make([]int, len(p.steps))
	for i, s := range p.steps {
		if i == 0 || s.global != nil || p.steps[i-1].global != nil {
			p.segments = append(p.segments, segment{i, i})
		}
		last := len(p.segments) - 1
		p.segments[last].to = i + 1
		segmentOf[i] = last
	}

	largest := 1
	for _, v := range p.buffers {
		largest = max(largest, v.size)
	}
	p.chunk = max(1, min(chunkBytes/4/largest, (p.batch+lanes-1)/lanes))

	var local, batch []interval
	for _, v := range p.buffers {
		if !v.used && !v.pin {
			continue
		}
		s0, s1 := segmentOf[v.first], segmentOf[v.last]
		switch {
		case v.pin:
			batch = append(batch, interval{v, 0, len(p.segments), v.size * p.batch})
		case s0 == s1 && p.steps[v.first].image != nil:
			v.local = true
			local = append(local, interval{v, v.first, v.last, v.size * p.chunk})
		default:
			// Different images of a segment are at different steps, so sharing goes by segments.
			batch = append(batch, interval{v, s0, s1, v.size * p.batch})
		}
	}
	p.arena = make([]float32, place(batch))
	localSize := place(local)
	p.workers = make([]*worker, p.threads)
	for i := range p.workers {
		p.workers[i] = &worker{arena: make([]float32, localSize), scratch: make([]float32, p.scratch)}
	}
}

// interval asks for floats of room from time first to last, both included.
type interval struct {
	v           *buffer
	first, last int
	floats      int
}

// align is the unit of placement in floats: a cache line.
const align = 16

// place gives every interval an offset such that no two that overlap in time overlap in room, largest first,
// each at the lowest offset that is free. It returns the room needed.
func place(all []interval) int {
	sort.SliceStable(all, func(i, j int) bool { return all[i].floats > all[j].floats })
	type placed struct{ interval }
	var done []placed // sorted by offset
	total := 0
	for _, x := range all {
		room := (x.floats + align - 1) / align * align
		off := 0
		for _, d := range done {
			if d.last < x.first || x.last < d.first {
				continue
			}
			if off+room <= d.v.off {
				break
			}
			off = max(off, d.v.off+(d.floats+align-1)/align*align)
		}
		x.v.off = off
		total = max(total, off+room)
		i := sort.Search(len(done), func(i int) bool { return done[i].v.off >= off })
		done = append(done, placed{})
		copy(done[i+1:], done[i:])
		done[i] = placed{x}
	}
	return total
}

// Memory returns the bytes of the program's buffers.
func (p *Program) Memory() int {
	n := len(p.arena)
	for _, w := range p.workers {
		n += len(w.arena) + len(w.scratch)
	}
	return 4 * n
}
