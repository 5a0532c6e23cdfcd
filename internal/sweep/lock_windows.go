package sweep

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// tryLock locks an open file, until it is closed, without waiting. A locked byte cannot be read by others: it is one far behind
// the text.
func tryLock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{Offset: 1 << 30})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return errHeld
	}
	return err
}

// release removes the file, which fails as long as anyone has it open.
func release(f *os.File, path string) {
	f.Close()
	os.Remove(path)
}
