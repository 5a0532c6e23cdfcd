package infer

import (
	"zaq/internal/intkernel"
)

// step is one piece of a program's work on an image. The struct types that implement it hold tensors and packed
// parameters; what they were compiled from is in note.
type step interface {
	// prepare is called once, when all tensors have their final layout.
	prepare()

	// parts is the largest number of parts that the work can be cut into.
	parts() int

	// run does part i of n, 0 <= i < n <= parts.
	run(a *arena, worker, i, n int)

	about() *note
}

// note is what is known of a step.
type note struct {
	Name string // of the node in the file
	Op   string // its operator, with those fused behind it
	in   []*tensor
	out  *tensor // nil: the result is real
	from []*real
	to   *real
	ops  float64 // integer operations of an image, two for a multiply-add
}

func (n *note) about() *note { return n }

// cut returns the i-th of n parts of a number of units.
func cut(units, i, n int) (from, to int) { return units * i / n, units * (i + 1) / n }

// rowsWorth is the least work of a part, in bytes written: less is not worth another goroutine.
const rowsWorth = 4 << 10

// byRows is how many parts a step over the rows of m is cut into.
func byRows(m intkernel.Map) int { return max(1, min(m.H, m.H*m.Row()/rowsWorth)) }
