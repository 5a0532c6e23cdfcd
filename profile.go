package zaq

import (
	"time"

	"zaq/internal/engine"
	"zaq/internal/kernel"
)

// Profile collects where the time of a run goes, layer by layer and kernel by kernel. Give Options or TrainOptions an
// empty one, and look at it when the run is over, however it ended.
type Profile struct{ programs engine.Profiles }

// ProgramProfile is one of the computations that a run repeats: "warm up", "measure", "Q step", "G step" or "train".
type ProgramProfile struct {
	Name    string          `json:"name"`
	Runs    int             `json:"runs"`
	Wall    time.Duration   `json:"wall_ns"` // of all runs
	Threads int             `json:"threads"`
	Peak    float64         `json:"peak_flops"` // operations a second of a thread's multipliers, measured now
	Kernels []KernelProfile `json:"kernels"`    // slowest first
}

// KernelProfile is what threads spent in a kernel for a layer, in all runs. Tensors of the float network begin with "P ",
// those of the quantized one with "Q ".
type KernelProfile struct {
	Layer  string        `json:"layer"`
	Phase  string        `json:"phase"` // "forward" or "backward"
	Kernel string        `json:"kernel"`
	Time   time.Duration `json:"time_ns"` // of all threads together
	Flops  float64       `json:"flops"`   // executed floating-point operations, two a multiply-add; 0 for passes over elements
}

// engine returns what the engine fills; nil for nil.
func (p *Profile) engine() *engine.Profiles {
	if p == nil {
		return nil
	}
	return &p.programs
}

// Programs returns those that ran, in the order in which the run came to them.
func (p *Profile) Programs() []ProgramProfile {
	var list []ProgramProfile
	for _, name := range p.programs.Names() {
		f := p.programs.Of(name)
		if f.Runs == 0 {
			continue
		}
		r := ProgramProfile{Name: name, Runs: f.Runs, Wall: f.Wall, Threads: f.Threads, Peak: kernel.PeakFlops()}
		for _, k := range f.Rows(func(k engine.ProfileKey) engine.ProfileKey { return k }) {
			r.Kernels = append(r.Kernels, KernelProfile{k.Layer, k.Phase, k.Kernel, k.Time, k.Flops})
		}
		list = append(list, r)
	}
	return list
}
