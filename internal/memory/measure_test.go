package memory

import (
	"runtime"
	"testing"
)

var kept []byte

func TestOf(t *testing.T) {
	const size, small = 64 << 20, 1 << 10
	first := true
	u := Of(4, func() {
		if first { // touched once and given up
			big := make([]byte, size)
			for i := 0; i < size; i += 4096 {
				big[i] = 1
			}
			runtime.KeepAlive(big)
			first = false
		}
		kept = make([]byte, small)
	})
	if now, _ := Resident(); now > 0 && (u.Peak < size || u.Peak > 2*size) {
		t.Errorf("peak %d", u.Peak)
	}
	// The runtime may allocate now and then, too.
	if u.Allocs < 1 || u.Allocs > 3 || u.Bytes < small || u.Bytes > 2*small {
		t.Errorf("%.1f objects, %.0f bytes a step", u.Allocs, u.Bytes)
	}
}
