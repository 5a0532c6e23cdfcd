//go:build !amd64 || noasm

package kernel

// available lists the families that this machine can run, the best last.
func available() []family { return []family{portable} }
