package report

import (
	"fmt"
	"io"
	"time"

	"zaq"
)

// Bench writes what was measured of each step, and then where its time goes.
func Bench(w io.Writer, b *zaq.BenchResult) error {
	fmt.Fprintf(w, "%s kernels, %d threads, peak %.0f GF/s; %d images a step\n\n", b.Kernels, b.Threads, b.Peak/1e9, b.Batch)
	t := NewTable("", ">best ms", ">median ms", ">GF/s executed", ">% of peak", ">by definition", ">%", ">buffers", ">peak memory", ">objects a step")
	for _, s := range b.Steps {
		rate := func(flops float64) (string, string) {
			r := flops / s.Best.Seconds()
			return fmt.Sprintf("%.0f", r/1e9), fmt.Sprintf("%.0f", 100*r/b.Peak)
		}
		executed, ofPeak := rate(s.Executed)
		nominal, nominalOfPeak := rate(s.Nominal)
		memory := "unknown"
		if s.Memory > 0 {
			memory = Size(s.Memory)
		}
		t.Row(s.Name, fmt.Sprintf("%.1f", 1e3*s.Best.Seconds()), fmt.Sprintf("%.1f", 1e3*s.Median.Seconds()),
			executed, ofPeak, nominal, nominalOfPeak, Size(int64(s.Buffers)), memory, fmt.Sprintf("%.0f (%s)", s.Allocs, Size(int64(s.Bytes))))
	}
	if _, err := t.WriteTo(w); err != nil {
		return err
	}
	for _, p := range b.Profile {
		if err := programProfile(w, p); err != nil {
			return err
		}
	}
	return nil
}

// InferBench writes how fast calls were, and where the time of an image goes.
func InferBench(w io.Writer, b *zaq.InferBenchResult) error {
	fmt.Fprintf(w, "%s kernels, requantization %s; weights %s, %s for an image that is being computed\n\n",
		b.Kernels, b.Requant, Size(int64(b.Weights)), Size(int64(b.Arena)))
	t := NewTable(">images", ">threads", ">best ms", ">median ms", ">images/s", ">Gop/s", ">peak memory", ">objects a call")
	for _, c := range b.Calls {
		perSecond := float64(c.Batch) / c.Best.Seconds()
		memory := "unknown"
		if c.Memory > 0 {
			memory = Size(c.Memory)
		}
		t.Row(c.Batch, c.Threads, fmt.Sprintf("%.3f", 1e3*c.Best.Seconds()), fmt.Sprintf("%.3f", 1e3*c.Median.Seconds()),
			fmt.Sprintf("%.0f", perSecond), fmt.Sprintf("%.0f", perSecond*b.Ops/1e9), memory, fmt.Sprintf("%.0f", c.Allocs))
	}
	if _, err := t.WriteTo(w); err != nil {
		return err
	}
	var all time.Duration
	for _, s := range b.Profile {
		all += s.Time
	}
	fmt.Fprintf(w, "\nlayers of one image, %.3f ms on one thread\n", 1e3*all.Seconds())
	t = NewTable("layer", "operator", "result", ">µs", ">%", ">Gop/s")
	for _, s := range b.Profile {
		result, rate := s.DType, ""
		if s.Shape != nil {
			result = fmt.Sprint(s.DType, " ", s.Shape)
		}
		if s.Ops > 0 {
			rate = fmt.Sprintf("%.0f", s.Ops/s.Time.Seconds()/1e9)
		}
		t.Row(s.Name, s.Op, result, fmt.Sprintf("%.1f", 1e6*s.Time.Seconds()), fmt.Sprintf("%.1f", 100*s.Time.Seconds()/all.Seconds()), rate)
	}
	_, err := t.WriteTo(w)
	return err
}

// Profile writes a table for each program: milliseconds a run of all threads together, their share, and the rate of what
// multiplies beside that of the multipliers. Kernels below a thousandth of the time are summed up in a line.
func Profile(w io.Writer, p *zaq.Profile) error {
	for _, program := range p.Programs() {
		if err := programProfile(w, program); err != nil {
			return err
		}
	}
	return nil
}

func programProfile(w io.Writer, p zaq.ProgramProfile) error {
	all := p.Wall * time.Duration(p.Threads)
	perRun := func(d time.Duration) string { return fmt.Sprintf("%.2f", 1e3*d.Seconds()/float64(p.Runs)) }
	share := func(d time.Duration) string { return fmt.Sprintf("%.1f", 100*d.Seconds()/all.Seconds()) }
	var flops float64
	var busy, rest time.Duration
	small := 0
	t := NewTable("layer", "phase", "kernel", ">ms", ">%", ">GF/s", ">% of peak")
	for _, k := range p.Kernels {
		busy, flops = busy+k.Time, flops+k.Flops
		if k.Time < all/1000 {
			rest, small = rest+k.Time, small+1
			continue
		}
		rate, ofPeak := "", ""
		if k.Flops > 0 {
			r := k.Flops / k.Time.Seconds()
			rate, ofPeak = fmt.Sprintf("%.0f", r/1e9), fmt.Sprintf("%.0f", 100*r/p.Peak)
		}
		t.Row(k.Layer, k.Phase, k.Kernel, perRun(k.Time), share(k.Time), rate, ofPeak)
	}
	if small > 0 {
		t.Row(fmt.Sprintf("%d smaller ones", small), "", "", perRun(rest), share(rest), "", "")
	}
	if idle := all - busy; idle > 0 {
		t.Row("waiting", "", "", perRun(idle), share(idle), "", "")
	}
	rate := flops / p.Wall.Seconds()
	_, err := fmt.Fprintf(w, "\n%s: %d runs of %s ms, %d threads, executed %.0f GF/s, %.0f %% of peak\n",
		p.Name, p.Runs, perRun(p.Wall), p.Threads, rate/1e9, 100*rate/(p.Peak*float64(p.Threads)))
	if err != nil {
		return err
	}
	_, err = t.WriteTo(w)
	return err
}
