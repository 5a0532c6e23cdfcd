//go:build !linux

package memory

// Resident returns zeros: the system is not asked.
func Resident() (now, peak int64) { return 0, 0 }

// Reset does nothing.
func Reset() {}
