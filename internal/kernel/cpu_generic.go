//go:build !(amd64 || arm64) || noasm

package kernel

// supported lists the instruction sets that can run here, best last.
func supported() []isa { return []isa{isaGo} }
