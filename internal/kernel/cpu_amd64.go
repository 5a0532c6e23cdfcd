//go:build amd64 && !noasm

package kernel

import "golang.org/x/sys/cpu"

// supported lists the instruction sets that can run here, best last.
func supported() []isa {
	sets := []isa{isaGo}
	x := &cpu.X86
	if x.HasAVX2 && x.HasFMA {
		sets = append(sets, isaAVX2)
	}
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX2 && x.HasFMA {
		sets = append(sets, isaAVX512)
	}
	return sets
}
