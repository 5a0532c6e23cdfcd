package engine

import "slices"

// buffer is the room for one tensor's map, or its gradient: size floats an image.
type buffer struct {
	name string
	size int

	// pin keeps a whole-batch buffer for the program's life: inputs and outputs.
	pin   bool
	scope scope
	off   int
	in    *buffer // whose room it takes over, at the step where that ends and this begins

	first, last int // steps that touch it
	used        bool
}

// scope says how much of the batch a buffer holds: what goes through all of the steps that touch it before the rest.
// All but the batch are of a worker, which has its own.
type scope uint8

const (
	ofBatch scope = iota // whoever touches it is of more than one segment
	ofLane               // of one segment
	ofChunk              // of one part
	ofPiece              // of one run
)

// at returns the map of image n, or of it what is in the piece that c is about.
func (v *buffer) at(c *chunk, n int) []float32 { return v.images(c, n, n+1) }

// all returns the maps of the images of c, one after the other, or the piece of one that c is about.
func (v *buffer) all(c *chunk) []float32 { return v.images(c, c.n0, c.n1) }

func (v *buffer) images(c *chunk, n0, n1 int) []float32 {
	if c.pieces == 1 {
		return v.whole(c, n0, n1)
	}
	if v.scope == ofPiece {
		i := v.off
		return c.w.arena[i : i+v.size/c.pieces : i+v.size/c.pieces]
	}
	size := v.size / c.pieces
	i := c.piece * size
	return v.whole(c, n0, n1)[i : i+size : i+size]
}

// whole returns the maps of images n0 to n1.
func (v *buffer) whole(c *chunk, n0, n1 int) []float32 {
	arena, base := c.w.arena, c.n0
	switch v.scope {
	case ofBatch:
		arena, base = c.p.arena, 0
	case ofLane:
		base, _ = c.p.lane(c.lane)
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
		if v != nil {
			s.buffers = append(s.buffers, v)
		}
	}
	p.steps = append(p.steps, s)
}

// chunkBytes is how much of a step's largest map should go through it at a time: small enough for the second-level cache
// to hold a few of them.
const chunkBytes = 128 << 10

// pieceBytes is the same for steps that can take an image in pieces: small enough for what one step writes to be
// still near when the next one reads it. Tests change it.
var pieceBytes = 64 << 10

// segment is a run of image steps, or one global step.
type segment struct {
	from, to int
	parts    []part
}

// part is some image steps of one segment that chunk images go through together, before the rest of their lane.
type part struct {
	from, to, chunk int
	runs            []run
}

// run is some steps of one part that a piece of an image goes through before the next: a few rows where the
// part takes single images and its steps know rows, else all images of the chunk.
type run struct{ from, to, pieces int }

// plan cuts the steps into segments, these into parts and these into runs, and gives every buffer its place.
func (p *Program) plan() {
	p.live()
	p.cut()
	partOf, runOf, segmentOf := make([]*part, len(p.steps)), make([]*run, len(p.steps)), make([]int, len(p.steps))
	for i := range p.segments {
		s := &p.segments[i]
		for j := s.from; j < s.to; j++ {
			segmentOf[j] = i
		}
		for j := range s.parts {
			t := &s.parts[j]
			for k := range t.runs {
				for l := t.runs[k].from; l < t.runs[k].to; l++ {
					partOf[l], runOf[l] = t, &t.runs[k]
					if f := p.steps[l].scratch; f != nil {
						p.needScratch(f(t.chunk))
					}
				}
			}
		}
	}
	p.reuse(segmentOf)

	// While a buffer is at one step for some of what it holds, it is at another for the rest: it has its room for as
	// long as the runs, parts or segments last that its first and last steps are of.
	var local, batch []interval
	for _, v := range p.buffers {
		if !v.used && !v.pin || v.in != nil {
			continue
		}
		first, last := v.first, v.last
		switch {
		case v.pin:
			batch = append(batch, interval{v, 0, len(p.segments), v.size * p.batch})
		case segmentOf[first] != segmentOf[last] || p.steps[first].image == nil:
			batch = append(batch, interval{v, segmentOf[first], segmentOf[last], v.size * p.batch})
		case partOf[first] != partOf[last]:
			v.scope = ofLane
			local = append(local, interval{v, partOf[first].from, partOf[last].to - 1, v.size * p.laneImages()})
		case runOf[first] != runOf[last]:
			v.scope = ofChunk
			local = append(local, interval{v, runOf[first].from, runOf[last].to - 1, v.size * partOf[first].chunk})
		default:
			v.scope = ofPiece
			local = append(local, interval{v, first, last, v.size * partOf[first].chunk / runOf[first].pieces})
		}
	}
	p.arenaLen, p.localLen = place(batch), place(local)
	for _, v := range p.buffers {
		if v.in != nil {
			v.off, v.scope = v.in.off, v.in.scope
		}
	}
	p.workers = make([]*worker, p.threads)
	for i := range p.workers {
		p.workers[i] = &worker{}
	}
}

// allocate makes the room that was planned, when it is first asked for: a program may be compiled to see how much that is.
func (p *Program) allocate() {
	if p.allocated {
		return
	}
	p.allocated, p.arena = true, make([]float32, p.arenaLen)
	for _, w := range p.workers {
		w.arena, w.scratch = make([]float32, p.localLen), make([]float32, p.scratch)
	}
}

// live finds out when buffers are in use, and which is a step's largest.
func (p *Program) live() {
	for i, s := range p.steps {
		for _, v := range s.buffers {
			if !v.used {
				v.first, v.used = i, true
			}
			v.last = i
			s.largest = max(s.largest, v.size)
		}
	}
}

// reuse lets what a step can write in place of what it reads take over that room, where nobody reads it later and both
// are of one segment.
func (p *Program) reuse(segmentOf []int) {
	for i, s := range p.steps {
		for _, r := range s.inPlace {
			from, to := r[0], r[1]
			if from.in != nil {
				from = from.in
			}
			if from.last != i || to.first != i || to.in != nil || from.size != to.size || from.pin || to.pin ||
				segmentOf[from.first] != segmentOf[to.last] || p.steps[from.first].image == nil {
				continue
			}
			to.in, from.last = from, to.last
			break
		}
	}
}

// laneImages is the number of images of the largest lane.
func (p *Program) laneImages() int { return (p.batch + lanes - 1) / lanes }

// cut makes segments, parts and runs.
func (p *Program) cut() {
	for i, s := range p.steps {
		if i == 0 || s.global != nil || p.steps[i-1].global != nil {
			p.segments = append(p.segments, segment{from: i})
		}
		p.segments[len(p.segments)-1].to = i + 1
	}
	for i := range p.segments {
		s := &p.segments[i]
		s.parts = p.parts(*s)
		for j := range s.parts {
			s.parts[j].runs = p.runs(s.parts[j])
		}
	}
}

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
		all = append(all, part{from: i, to: i + 1, chunk: n})
	}
	return all
}

// runs cuts a part where rows do not go together: where a step works on whole images, or on other rows, or needs
// a map complete that another one knows in pieces.
func (p *Program) runs(t part) []run {
	var all []run
	for i := t.from; i < t.to; i++ {
		s := p.steps[i]
		last := len(all) - 1
		if t.chunk > 1 || s.rows == 0 {
			all = append(all, run{i, i + 1, 1})
			continue
		}
		if last < 0 || p.steps[all[last].from].rows != s.rows || slices.ContainsFunc(p.steps[all[last].from:i], s.clashes) {
			all = append(all, run{i, i, 1})
			last++
		}
		all[last].to = i + 1
		all[last].pieces = max(all[last].pieces, piecesOf(s))
	}
	return all
}

// clashes reports whether one of s and t needs a map complete of which the other one reads or writes pieces.
func (s *step) clashes(t *step) bool {
	apart := func(s, t *step) bool {
		return slices.ContainsFunc(s.complete, func(v *buffer) bool {
			return slices.Contains(t.buffers, v) && !slices.Contains(t.complete, v)
		})
	}
	return apart(s, t) || apart(t, s)
}

// piecesOf is into how many pieces of whole rows a step should cut an image: not so many that its weights are more
// than a piece.
func piecesOf(s *step) int {
	n := max(1, min(s.rows, s.largest/max(pieceBytes/4, s.weights)))
	for s.rows%n != 0 {
		n--
	}
	return n
}

// Memory returns the bytes of the program's buffers, which are there from the first Data or Run on.
func (p *Program) Memory() int { return 4 * (p.arenaLen + len(p.workers)*(p.localLen+p.scratch)) }
