// Package memory measures what a piece of work needs: memory of the process, and garbage.
package memory

import (
	"runtime"
	"runtime/debug"
)

// Usage is what steps of a work needed.
type Usage struct {
	Peak   int64   // most resident bytes during the steps, less those before the first; 0 where it is not known
	Allocs float64 // objects allocated by a step, after the first
	Bytes  float64 // their size
}

// Of takes a first step and then n more, at least one.
func Of(n int, step func()) Usage {
	debug.FreeOSMemory() // what came before has left nothing
	Reset()
	before, _ := Resident()
	step()
	var from, to runtime.MemStats
	runtime.ReadMemStats(&from)
	for range n {
		step()
	}
	runtime.ReadMemStats(&to)
	_, peak := Resident()
	return Usage{
		Peak:   max(0, peak-before),
		Allocs: float64(to.Mallocs-from.Mallocs) / float64(n),
		Bytes:  float64(to.TotalAlloc-from.TotalAlloc) / float64(n),
	}
}
