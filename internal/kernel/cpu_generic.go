//go:build !amd64 || noasm

package kernel

// available lists the instruction sets that can run here, best last.
func available() []isa { return []isa{isaGo} }
