package sweep

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lockName is the file that says who works in a folder.
const lockName = "lock"

// A LockError is a folder in which another sweep is at work, or may be.
type LockError struct {
	Path string
	who  string
}

func (e *LockError) Error() string {
	return fmt.Sprintf("%s: another sweep works in this folder: %s", e.Path, e.who)
}

// Hint says what can be done.
func (e *LockError) Hint() string {
	return "wait for it or name another folder; if it is no longer there, remove " + e.Path
}

// errHeld is what tryLock returns of a file that another open one has locked.
var errHeld = errors.New("held")

// Lock keeps other sweeps out of a folder until unlock is called: they would compute the same cells, and each would write
// tables without the other's.
//
// The system holds the lock, on a file that is open meanwhile, and drops it where a process dies. What the file says is who holds
// it. That counts by itself where the system cannot know better: of another machine, as not all file systems that
// machines share pass locks on, and where files cannot be locked at all.
func Lock(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, lockName)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
		found := errors.Is(err, fs.ErrExist)
		if found {
			f, err = os.OpenFile(path, os.O_RDWR, 0)
		}
		if found && errors.Is(err, fs.ErrNotExist) { // its holder has ended meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		current, err := take(f, path, found)
		if err == nil && current {
			return func() { release(f, path) }, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
}

// take locks an open file and writes into it who has it. The file is not current where its last holder removed it before that.
func take(f *os.File, path string, found bool) (current bool, err error) {
	err = tryLock(f)
	who, where := holder(f)
	switch {
	case errors.Is(err, errHeld), found && errors.Is(err, errors.ErrUnsupported):
		return false, &LockError{path, who}
	case err != nil && !errors.Is(err, errors.ErrUnsupported):
		return false, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(opened, there) {
		return false, nil
	}
	host, _ := os.Hostname() // "" is a name like another
	if where != "" && where != host {
		return false, &LockError{path, who}
	}
	if err := f.Truncate(0); err != nil {
		return false, err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%d %s\n", os.Getpid(), host), 0)
	return true, err
}

// holder reads who locked a file, and on which machine; "" where it does not say.
func holder(f *os.File) (who, host string) {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<10))
	number, host, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	pid, err2 := strconv.Atoi(number)
	if err != nil || err2 != nil {
		return "it does not say which", ""
	}
	return fmt.Sprintf("process %d on %s", pid, host), host
}
