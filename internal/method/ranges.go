package method

import (
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
		q.SetRange(0, float32(r.lo[i]), float32(r.hi[i]))
	}
	for _, s := range r.sites {
		s.Load()
	}
}
