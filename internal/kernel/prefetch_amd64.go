//go:build amd64 && !noasm

package kernel

// prefetchLines brings so many cache lines into the second-level cache, from the one that x[offset] is in, which may lie
// outside of x; prefetchLinesW does it for lines that will be written.

//go:noescape
func prefetchLines(x *float32, offset, lines int)

//go:noescape
func prefetchLinesW(x *float32, offset, lines int)
