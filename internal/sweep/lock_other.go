//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package sweep

import (
	"errors"
	"os"
)

// tryLock knows no locks: that the file was not there before has to do, and what a process left that died stays.
func tryLock(f *os.File) error { return errors.ErrUnsupported }

func release(f *os.File, path string) {
	f.Close()
	os.Remove(path)
}
