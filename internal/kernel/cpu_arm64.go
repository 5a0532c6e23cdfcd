//go:build arm64 && !noasm

package kernel

// supported lists the instruction sets that can run here, best last. Every arm64 that Go runs on has NEON.
func supported() []isa { return []isa{isaGo, isaNEON} }
