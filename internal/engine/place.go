package engine

import "sort"

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
