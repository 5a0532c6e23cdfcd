package method

import (
	"slices"

	"zaq/internal/engine"
	"zaq/internal/quant"
)

// rangeDecay is that of the moving average of activation ranges.
const rangeDecay = 0.9

// ranges observes what arrives at the activation quantizers, and sets them. Sites that share a quantizer share a
// range.
type ranges struct {
	sites  []*engine.Site
	index  map[*quant.Quantizer]int
	quants []*quant.Quantizer
	lo, hi []float64 // moving average of the smallest and largest value of a batch
	seen   int       // batches

	known map[int][2]float64 // ranges that need no observation
}

func newRanges(sites []*engine.Site) *ranges {
	r := &ranges{sites: sites, index: map[*quant.Quantizer]int{}}
	for _, s := range sites {
		if _, ok := r.index[s.Quantizer]; !ok {
			r.index[s.Quantizer] = len(r.quants)
			r.quants = append(r.quants, s.Quantizer)
		}
	}
	r.lo, r.hi = make([]float64, len(r.quants)), make([]float64, len(r.quants))
	return r
}

// fix gives a quantizer a range that no observation changes.
func (r *ranges) fix(q *quant.Quantizer, lo, hi float32) {
	if r.known == nil {
		r.known = map[int][2]float64{}
	}
	r.known[r.index[q]] = [2]float64{float64(lo), float64(hi)}
}

// watch switches observation on or off.
func (r *ranges) watch(on bool) {
	for _, s := range r.sites {
		s.Observe = on
	}
}

// round switches rounding on or off.
func (r *ranges) round(on bool) {
	for _, s := range r.sites {
		s.On = on
	}
}

// reset forgets all batches.
func (r *ranges) reset() {
	r.seen = 0
	clear(r.lo)
	clear(r.hi)
}

// bounds are ranges at a moment, the smallest and the largest value of each.
type bounds struct{ lo, hi []float64 }

func (r *ranges) bounds() bounds { return bounds{slices.Clone(r.lo), slices.Clone(r.hi)} }

// set goes back to ranges as they were.
func (r *ranges) set(b bounds) {
	copy(r.lo, b.lo)
	copy(r.hi, b.hi)
	r.apply()
}

// update takes in the batch that a program has just seen.
func (r *ranges) update() {
	lo, hi := make([]float64, len(r.quants)), make([]float64, len(r.quants))
	for _, s := range r.sites {
		i := r.index[s.Quantizer]
		lo[i], hi[i] = min(lo[i], float64(s.Lo)), max(hi[i], float64(s.Hi))
	}
	for i := range lo {
		if r.seen == 0 {
			r.lo[i], r.hi[i] = lo[i], hi[i]
			continue
		}
		r.lo[i] += float64((1 - rangeDecay) * (lo[i] - r.lo[i]))
		r.hi[i] += float64((1 - rangeDecay) * (hi[i] - r.hi[i]))
	}
	r.seen++
}

// apply sets the quantizers from the averages, and the sites from their quantizers.
func (r *ranges) apply() {
	for i, q := range r.quants {
		lo, hi := r.lo[i], r.hi[i]
		if k, ok := r.known[i]; ok {
			lo, hi = k[0], k[1]
		}
		q.SetRange(0, float32(lo), float32(hi))
	}
	for _, s := range r.sites {
		s.Load()
	}
}
