package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"

	"zaq/internal/kernel"
)

// describe says where the figures come from.
func describe(w io.Writer, o options, peer *torch) {
	fmt.Fprintf(w, "%s, %d threads of %d; zaq on %s kernels, %s; ", processor(), o.threads, runtime.NumCPU(), kernel.Path(), runtime.Version())
	if peer == nil {
		fmt.Fprint(w, "no PyTorch\n\n")
		return
	}
	fmt.Fprintf(w, "PyTorch %s, %d threads, %s BLAS\n\n", peer.Torch, peer.Threads, peer.BLAS)
	if peer.BLAS == "reference" {
		fmt.Fprint(w, "PyTorch computes its matrix products with the reference BLAS, which is slow: install libopenblas0-pthread for a fair peer.\n\n")
	}
}

// processor is the name that the machine gives itself.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, " \t:"))
		}
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}

// table prints results as they come, in Markdown.
type table struct{ w io.Writer }

func newTable(w io.Writer) *table {
	fmt.Fprintln(w, "| work | zaq ms, best / median | PyTorch ms, best / median | layout | ratio, best / median | GF/s executed / nominal | % of peak executed / nominal |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	return &table{w}
}

func (t *table) row(r *result) {
	torch, layout, ratio := "", "", ""
	if r.torch != nil {
		torch, layout = r.torch.String(), r.layout
		ratio = fmt.Sprintf("**%.2f** / %.2f", r.ratio(), r.torch.median()/r.zaq.median())
	}
	executed, nominal := r.executed/r.zaq.best(), r.nominal/r.zaq.best()
	fmt.Fprintf(t.w, "| %s | %s | %s | %s | %s | %.0f / %.0f | %.0f / %.0f |\n", r.work, r.zaq, torch, layout, ratio,
		executed/1e9, nominal/1e9, 100*executed/r.peak, 100*nominal/r.peak)
}

// means adds the geometric means of groups.
func (t *table) means(results []*result) {
	logs, count := map[string]float64{}, map[string]float64{}
	for _, r := range results {
		if r.group != "" && r.torch != nil {
			logs[r.group] += math.Log(r.ratio())
			count[r.group]++
		}
	}
	for _, group := range slices.Sorted(maps.Keys(logs)) {
		fmt.Fprintf(t.w, "| %s, geometric mean of %.0f | | | | **%.2f** | | |\n", group, count[group], math.Exp(logs[group]/count[group]))
	}
}

// memory prints what was measured of it, as a table of its own.
func (t *table) memory(results []*result) {
	const head = "\n| peak memory | zaq MiB | PyTorch MiB | of PyTorch's |\n|---|---|---|---|\n"
	first := head
	for _, r := range results {
		zaq, torch := float64(r.memory[0])/(1<<20), float64(r.memory[1])/(1<<20)
		switch {
		case zaq == 0:
		case torch == 0:
			fmt.Fprintf(t.w, "%s| %s | %.0f | | |\n", first, r.work, zaq)
			first = ""
		default:
			fmt.Fprintf(t.w, "%s| %s | %.0f | %.0f | **%.2f** |\n", first, r.work, zaq, torch, zaq/torch)
			first = ""
		}
	}
}

func (s series) String() string { return fmt.Sprintf("%.1f / %.1f", 1e3*s.best(), 1e3*s.median()) }
