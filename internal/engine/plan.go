package engine

import "sort"

// buffer is the room for one tensor's map, or its gradient: size floats an image.
type buffer struct {
	name string
	size int

	// pin keeps a whole-batch buffer for the program's life: inputs and outputs.
	pin bool
	// local buffers live within one segment; each worker has its own. They hold one chunk, or a whole lane where
	// they outlive a part of the segment.
	local, lane bool
	off         int

	first, last int // steps that touch it
	used        bool
}

// at returns the map of image n.
func (v *buffer) at(c *chunk, n int) []float32 { return v.images(c, n, n+1) }

// all returns the maps of the images of c, one after the other.
func (v *buffer) all(c *chunk) []float32 { return v.images(c, c.n0, c.n1) }

func (v *buffer) images(c *chunk, n0, n1 int) []float32 {
	arena, base := c.p.arena, 0
	if v.local {
		arena, base = c.w.arena, c.n0
		if v.lane {
			base, _ = c.p.lane(c.lane)
		}
	}
	i, end := v.off+(n0-base)*v.size, v.off+(n1-base)*v.size
	return arena[i:end:end]
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
		s.largest = max(s.largest, v.size)
	}
	p.steps = append(p.steps, s)
}

// chunkBytes is how much of a step's largest map should go through it at a time: small enough for the second-level cache
// to hold a few of them.
const chunkBytes = 128 << 10

// part is a run of image steps of one segment that chunk images go through together, before the rest of their lane.
type part struct{ from, to, chunk int }

// plan cuts the steps into segments, these into parts, and gives every buffer its place.
func (p *Program) plan() {
	segmentOf := make([]int, len(p.steps))
	for i, s := range p.steps {
		if i == 0 || s.global != nil || p.steps[i-1].global != nil {
			p.segments = append(p.segments, segment{from: i})
		}
		last := len(p.segments) - 1
		p.segments[last].to = i + 1
		segmentOf[i] = last
	}
	partOf := make([]part, len(p.steps))
	for i := range p.segments {
		s := &p.segments[i]
		s.parts = p.parts(*s)
		for _, t := range s.parts {
			for j := t.from; j < t.to; j++ {
				partOf[j] = t
				if f := p.steps[j].scratch; f != nil {
					p.needScratch(f(t.chunk))
				}
			}
		}
	}

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
			first, last := partOf[v.first], partOf[v.last]
			if v.lane = first != last; v.lane {
				// Within the parts, other images of the lane come before and after.
				local = append(local, interval{v, first.from, last.to - 1, v.size * p.laneImages()})
			} else {
				local = append(local, interval{v, v.first, v.last, v.size * first.chunk})
			}
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

// laneImages is the number of images of the largest lane.
func (p *Program) laneImages() int { return (p.batch + lanes - 1) / lanes }

// chunkOf is how many images should go through a step together. Where it has more weights than fit beside the maps, so
// many that the maps are as large: weights are fetched once for all of them.
func (p *Program) chunkOf(s *step) int {
	return max(1, min(max(chunkBytes/4, s.weights)/max(1, s.largest), p.laneImages()))
}

// parts cuts a segment where the number of images that should go together changes much, so that deep layers with small
// maps do not go by the first ones.
func (p *Program) parts(s segment) []part {
	var all []part
	for i := s.from; i < s.to; i++ {
		if i > s.from && p.steps[i].weights == 0 {
			p.steps[i].weights = p.steps[i-1].weights // goes along with what is before it
		}
		n := p.chunkOf(p.steps[i])
		if last := len(all) - 1; last >= 0 && n < 4*all[last].chunk && all[last].chunk < 4*n {
			all[last].to, all[last].chunk = i+1, min(all[last].chunk, n)
			continue
		}
		all = append(all, part{i, i + 1, n})
	}
	return all
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
