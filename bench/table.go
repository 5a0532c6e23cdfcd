package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
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
		ratio = fmt.Sprintf("**%.2f** / %.2f", r.torch.best()/r.zaq.best(), r.torch.median()/r.zaq.median())
	}
	executed, nominal := r.executed/r.zaq.best(), r.nominal/r.zaq.best()
	fmt.Fprintf(t.w, "| %s | %s | %s | %s | %s | %.0f / %.0f | %.0f / %.0f |\n", r.work, r.zaq, torch, layout, ratio,
		executed/1e9, nominal/1e9, 100*executed/r.peak, 100*nominal/r.peak)
}

func (s series) String() string { return fmt.Sprintf("%.1f / %.1f", 1e3*s.best(), 1e3*s.median()) }
