package infer

import (
	"cmp"
	"slices"

	"zaq/internal/intkernel"
)

// alignment of tensors in the arena: a cache line.
const alignment = 64

// room is a tensor as the planner sees it.
type room struct {
	size        int
	first, last int
	at          *int
}

// plan gives every tensor a place such that those that are needed at the same time do not overlap, and returns how large
// the arena is. The largest are placed first, each as far down as it fits.
func plan(rooms []room) int {
	order := slices.Clone(rooms)
	slices.SortStableFunc(order, func(a, b room) int { return cmp.Compare(b.size, a.size) })
	total := 0
	var placed []room
	for _, r := range order {
		size := (r.size + alignment - 1) / alignment * alignment
		var busy [][2]int
		for _, p := range placed {
			if p.first <= r.last && r.first <= p.last {
				busy = append(busy, [2]int{*p.at, *p.at + p.size})
			}
		}
		slices.SortFunc(busy, func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) })
		at := 0
		for _, b := range busy {
			if at+size <= b[0] {
				break
			}
			at = max(at, (b[1]+alignment-1)/alignment*alignment)
		}
		*r.at = at
		placed = append(placed, room{size, r.first, r.last, r.at})
		total = max(total, at+size)
	}
	return total
}

// place plans the arena of a program's tensors: integers in bytes, and real values.
func place(tensors []*tensor, reals []*real) (bytes, floats int) {
	var integers, others []room
	for _, t := range tensors {
		integers = append(integers, room{t.m.Size(), t.first, t.last, &t.at})
	}
	for _, r := range reals {
		if r.input < 0 && r.output < 0 {
			others = append(others, room{r.n, r.first, r.last, &r.at})
		}
	}
	return plan(integers) + intkernel.Slack, plan(others)
}
