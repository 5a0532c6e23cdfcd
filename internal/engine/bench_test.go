package engine

import (
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand"
	"os"
	"runtime"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"zaq/internal/kernel"
	"zaq/internal/quant"
)

var profileRuns = flag.Bool("profile-runs", false, "benchmarks print where the time goes")

// resnet20 is the game on CIFAR shapes: ResNet-20 with its shortcuts sliced and padded (option A), its twin with 4-bit
// weights and activations, and a generator of 64 channels.
type resnet20 struct {
	b          testing.TB
	r          *rand.Rand
	g          *Graph
	z          *Tensor
	gen, q     []*Param
	outP, outQ *Tensor
	do         *Loss
	df         *CRM
}

func newResNet20(b testing.TB) *resnet20 {
	n := &resnet20{b: b, r: rand.New(rand.NewSource(20)), g: NewGraph()}
	x := n.generator(256, 64)
	blocksP, outP := n.network("p", x, nil)
	blocksQ, outQ := n.network("q", x, &n.q)
	n.outP, n.outQ = outP, outQ
	n.do, n.df = n.g.L1("outputs", outP, outQ), n.g.CRM("features", blocksP, blocksQ)
	return n
}

func (n *resnet20) must(x *Tensor, err error) *Tensor {
	n.b.Helper()
	if err != nil {
		n.b.Fatal(err)
	}
	return x
}

// weight draws w [..., cout] as He et al. (2015) do.
func (n *resnet20) weight(name string, params *[]*Param, fanIn, cout int) *Weight {
	var grid *WeightGrid
	if params == &n.q {
		q := quant.New(quant.Scheme{Bits: 4, PerChannel: true})
		grid = &WeightGrid{QMin: q.QMin, QMax: q.QMax, Scale: make([]float32, cout), Zero: make([]int32, cout),
			Fit: func(w []float32, scale []float32, zero []int32) { fitMinMax(q, w, cout, scale, zero) }}
	}
	w := NewWeight(name, randoms(n.r, fanIn*cout, math.Sqrt(2/float64(fanIn))), cout, grid)
	if params != nil {
		*params = append(*params, w.Param)
	}
	return w
}

func (n *resnet20) norm(name string, x *Tensor, params *[]*Param, train bool) *Tensor {
	gamma, beta := NewParam(name+" gamma", ones(x.C), false), NewParam(name+" beta", randoms(n.r, x.C, 0.1), false)
	if params != nil {
		*params = append(*params, gamma, beta)
	}
	return n.g.BatchNorm(name, x, gamma, beta, &Stats{Mean: make([]float32, x.C), Var: ones(x.C), Epsilon: 1e-5, Momentum: 0.1}, train)
}

func (n *resnet20) generator(latent, features int) *Tensor {
	g, c := n.g, 2*features
	n.z = g.Input("noise", 1, 1, latent)
	bias := NewParam("g.fc.bias", make([]float32, 64*c), false)
	n.gen = append(n.gen, bias)
	x := n.must(g.Linear("g.fc", n.z, n.weight("g.fc", &n.gen, latent, 64*c), bias, 8, 8, c))
	x = n.norm("g.bn", x, &n.gen, true)
	for i, c := range []int{c, features} {
		name := fmt.Sprintf("g.conv%d", i)
		x = n.must(g.UpsampleConv(name, x, n.weight(name, &n.gen, 9*x.C, c)))
		x = n.norm(name+" bn", x, &n.gen, true)
		x = g.Activate(name+" leaky", x, Activation{Kind: kernel.ActLeakyReLU, Alpha: 0.2})
	}
	x = n.must(g.Conv("g.image", x, n.weight("g.image", &n.gen, 9*x.C, 3), square(3, 3, 1, 1)))
	x = g.Tanh("g.tanh", x)
	return g.BatchNorm("image", x, nil, nil, &Stats{Mean: make([]float32, 3), Var: ones(3), Epsilon: 1e-5}, true)
}

// network returns the outputs of the nine blocks and the logits. It is quantized where params is that of the twin.
func (n *resnet20) network(prefix string, x *Tensor, params *[]*Param) (blocks []*Tensor, logits *Tensor) {
	g := n.g
	relu := func(name string, x *Tensor) *Tensor {
		x = g.Activate(name+" relu", x, Activation{Kind: kernel.ActReLU})
		if params != nil {
			x = g.FakeQuant(name+" quant", x, &ActQuant{Scale: 0.3, QMax: 15, On: true})
		}
		return x
	}
	convolve := func(name string, x *Tensor, c, stride int) *Tensor {
		x = n.must(g.Conv(name, x, n.weight(name, params, 9*x.C, c), square(c, 3, stride, 1)))
		return n.norm(name+" bn", x, params, false)
	}
	stem := prefix + ".stem"
	x = relu(stem, convolve(stem, x, 16, 1))
	for stage, c := range []int{16, 32, 64} {
		for block := range 3 {
			name := fmt.Sprintf("%s.%d.%d", prefix, stage, block)
			stride := 1
			shortcut := x
			if c != x.C {
				stride = 2
				shortcut = n.must(g.Window(name+" shortcut", x, Window{Step: [3]int{2, 2, 1}, Count: [3]int{x.H / 2, x.W / 2, x.C},
					Before: [3]int{0, 0, (c - x.C) / 2}, After: [3]int{0, 0, (c - x.C) / 2}}))
			}
			y := relu(name+" a", convolve(name+" a", x, c, stride))
			x = relu(name, g.Add(name+" sum", convolve(name+" b", y, c, 1), shortcut))
			blocks = append(blocks, x)
		}
	}
	x = g.GlobalAveragePool(prefix+".pool", x)
	bias := NewParam(prefix+".fc.bias", make([]float32, 10), false)
	if params != nil {
		*params = append(*params, bias)
	}
	return blocks, n.must(g.Linear(prefix+".fc", x, n.weight(prefix+".fc", params, 64, 10), bias, 1, 1, 10))
}

func BenchmarkResNet20(b *testing.B) {
	const batch, alpha = 64, 0.1
	for _, k := range []struct {
		name string
		make func(n *resnet20) (Spec, func())
	}{
		{"forward", func(n *resnet20) (Spec, func()) {
			return Spec{Outputs: []*Tensor{n.outQ}}, func() {}
		}},
		{"Q", func(n *resnet20) (Spec, func()) {
			sgd := NewSGD(n.q, 0.9, 5e-4, true)
			sgd.LR = 1e-3
			return Spec{Objective: []Term{{n.do, 1}, {n.df.Loss, alpha}}, WRT: n.q}, func() { ClipGradNorm(n.q, 1); sgd.Step() }
		}},
		{"G", func(n *resnet20) (Spec, func()) {
			adam := NewAdam(n.gen, 1e-3, 0.9, 0.999)
			return Spec{Objective: []Term{{n.do, -1}, {n.df.Loss, -alpha}}, WRT: n.gen}, adam.Step
		}},
	} {
		b.Run(k.name, func(b *testing.B) {
			n := newResNet20(b)
			spec, update := k.make(n)
			spec.Batch = batch
			p, err := n.g.Compile(spec)
			if err != nil {
				b.Fatal(err)
			}
			copy(p.Data(n.z), randoms(n.r, batch*256, 1))
			step := func() { p.Run(); update() }
			allocs := testing.AllocsPerRun(2, step)
			best := time.Duration(math.MaxInt64)
			for b.Loop() {
				start := time.Now()
				step()
				best = min(best, time.Since(start))
			}
			perStep := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(allocs, "allocs/step")
			b.ReportMetric(1e3*perStep, "ms/step")
			b.ReportMetric(1e3*best.Seconds(), "best-ms")
			executed, _ := p.Flops()
			b.ReportMetric(executed/perStep/1e9, "GF/s")
			b.ReportMetric(float64(p.Memory())/(1<<20), "MiB")
			if *profileRuns {
				printProfile(os.Stdout, b.Name(), p, 20, update)
			}
		})
	}
}

// printProfile runs a program and prints the time of every kernel, of all threads together, with its rate beside that of
// the multipliers. What takes less than a thousandth is left out.
func printProfile(w io.Writer, name string, p *Program, runs int, update func()) {
	f := &Profile{}
	p.SetProfile(f)
	defer p.SetProfile(nil)
	for range runs {
		p.Run()
		update()
	}
	peak := kernel.PeakFlops()
	threads := min(p.threads, runtime.GOMAXPROCS(0))
	fmt.Fprintf(w, "\n%s: %.1f ms a run, %d images, peak %.0f GF/s a thread\n",
		name, ms(f.Wall, runs), p.batch, peak/1e9)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "part\tphase\tkernel\tms\t%\tGF/s\t% of peak\t")
	var sum time.Duration
	for _, r := range f.Rows(byPart) {
		sum += r.Time
		if r.Time < f.Wall/1000 {
			continue
		}
		rate := r.Flops / r.Time.Seconds()
		fmt.Fprintf(t, "%s\t%s\t%s\t%.2f\t%.1f\t", r.Layer, r.Phase, r.Kernel, ms(r.Time, runs), 100*r.Time.Seconds()/(f.Wall.Seconds()*float64(threads)))
		if r.Flops > 0 {
			fmt.Fprintf(t, "%.0f\t%.0f\t\n", rate/1e9, 100*rate/peak)
		} else {
			fmt.Fprint(t, "\t\t\n")
		}
	}
	fmt.Fprintf(t, "idle\t\t\t%.2f\t%.1f\t\t\t\n", ms(f.Wall*time.Duration(threads)-sum, runs),
		100*(1-sum.Seconds()/(f.Wall.Seconds()*float64(threads))))
	t.Flush()
}

func ms(d time.Duration, runs int) float64 { return 1e3 * d.Seconds() / float64(runs) }

// byPart merges the layers of each stage of P and Q, and of G.
func byPart(k ProfileKey) ProfileKey {
	parts := strings.FieldsFunc(k.Layer, func(r rune) bool { return r == '.' || r == ' ' })
	k.Layer = parts[0]
	if len(parts) > 2 && strings.ContainsAny(parts[1], "012") {
		k.Layer += "." + parts[1]
	}
	if parts[0] == "gram" && len(parts) > 2 {
		k.Layer = "gram " + parts[1] + "." + parts[2]
	}
	return k
}

// The steps cost what the layers do: nothing that no gradient needs is computed.
func TestResNet20Flops(t *testing.T) {
	const (
		stem      = 2 * 1024 * 27 * 16
		network   = stem + 2*6*1024*144*16 + 2*256*(144+5*288)*32 + 2*64*(288+5*576)*64 + 2*64*10
		linear    = 2 * 256 * 8192
		generator = linear + 2*(64*9*128*128+256*9*128*64+1024*576*3)
	)
	n := newResNet20(t)
	for _, k := range []struct {
		name   string
		params []*Param
		want   float64
	}{
		{"forward", nil, generator + 2*network},
		{"Q step", n.q, generator + 4*network - stem},       // no gradient by the images
		{"G step", n.gen, 3*generator - linear + 4*network}, // none by the noise
	} {
		p, err := n.g.Compile(Spec{Batch: 1, Objective: []Term{{n.do, 1}}, WRT: k.params})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := p.Flops(); got != k.want {
			t.Errorf("%s: %.0f operations an image, not %.0f", k.name, got, k.want)
		}
	}
}
