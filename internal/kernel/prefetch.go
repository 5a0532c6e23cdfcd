package kernel

// ahead is a stretch of memory that is brought into the cache piece by piece while the multipliers are at work on what is
// there already. It need not be memory of the program's.
type ahead struct {
	near  []float32 // what it is given relative to
	at    int       // first element
	lines int       // cache lines
	write bool      // they will be written, not read
}

// piece fetches piece i of n.
func (a *ahead) piece(i, n int) {
	from, to := a.lines*i/n, a.lines*(i+1)/n
	if a.write {
		prefetchLinesW(&a.near[0], a.at+16*from, to-from)
	} else {
		prefetchLines(&a.near[0], a.at+16*from, to-from)
	}
}
