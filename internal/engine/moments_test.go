package engine

import (
	"math"
	"math/rand"
	"testing"
)

// Mean and variance are those of a float64 reference, also where the mean is ten thousand deviations large, images differ
// from each other, lanes are empty, and the first image is far from all others.
func TestBatchStatistics(t *testing.T) {
	const h, w, c = 5, 7, 3
	for _, batch := range []int{1, 5, 8, 30} {
		for _, offset := range []float64{0, 100, -1e4} {
			r := rand.New(rand.NewSource(int64(batch)))
			g := NewGraph()
			x := g.Input("x", h, w, c)
			stats := &Stats{Mean: make([]float32, c), Var: ones(c), Epsilon: 1e-5, Momentum: 1}
			y := g.BatchNorm("bn", x, nil, nil, stats, true)
			match := g.BNMatch("match", []PreNorm{{x, &Stats{Mean: make([]float32, c), Var: ones(c)}}})
			p, err := g.Compile(Spec{Batch: batch, Objective: []Term{{match.Loss, 1}}, Outputs: []*Tensor{y}, Threads: 2})
			if err != nil {
				t.Fatal(err)
			}
			data := p.Data(x)
			for run := range 2 { // the second finds what the first left
				for i := range data {
					image := i / (h * w * c)
					data[i] = float32(offset + r.NormFloat64()*float64(1+i%c) + float64(image%4))
					if image == 0 {
						data[i] += 50
					}
				}
				p.Run()
				loss := 0.0
				for k := range c {
					var sum, squares float64
					n := float64(len(data) / c)
					for i := k; i < len(data); i += c {
						sum += float64(data[i])
					}
					mean := sum / n
					for i := k; i < len(data); i += c {
						d := float64(data[i]) - mean
						squares += d * d
					}
					if v := float64(stats.Mean[k]); math.Abs(v-mean) > 1e-6*(1+math.Abs(mean)) {
						t.Errorf("batch %d, offset %v, run %d: mean %v, want %v", batch, offset, run, v, mean)
					}
					if v, want := float64(stats.Var[k]), squares/(n-1); math.Abs(v-want) > 1e-4*want {
						t.Errorf("batch %d, offset %v, run %d: variance %v, want %v", batch, offset, run, v, want)
					}
					loss += (mean*mean + math.Pow(math.Sqrt(squares/n)-1, 2)) / c
				}
				if math.Abs(match.Loss.Value-loss) > 1e-4*loss {
					t.Errorf("batch %d, offset %v, run %d: match %v, want %v", batch, offset, run, match.Loss.Value, loss)
				}
			}
		}
	}
}
