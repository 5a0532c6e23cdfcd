//go:build !(amd64 || arm64) || noasm

package intkernel

// families lists the implementations that this machine can run, the best last.
func families() []*family { return []*family{&portable} }
