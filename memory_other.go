//go:build !linux

package zaq

// machineMemory is the memory of the machine in bytes, 0 where nobody knows.
func machineMemory() int64 { return 0 }
