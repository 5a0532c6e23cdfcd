//go:build !amd64 || noasm

package kernel

// What other processors fetch ahead is left to themselves.

func prefetchLines(*float32, int, int) {}

func prefetchLinesW(*float32, int, int) {}
