package sweep

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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

// Lock keeps other sweeps out of a folder until unlock is called: they would compute the same cells, and each would write
// tables without the other's. What a process left behind that is gone, on this machine, is taken over.
func Lock(dir string) (unlock func(), err error) {
	path := filepath.Join(dir, lockName)
	host, _ := os.Hostname() // "" is a name like another
	for {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil {
			_, err = fmt.Fprintf(f, "%d %s\n", os.Getpid(), host)
			if err = errors.Join(err, f.Close()); err != nil {
				os.Remove(path)
				return nil, err
			}
			return func() { os.Remove(path) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // it has ended meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		number, where, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
		pid, err := strconv.Atoi(number)
		if err != nil {
			return nil, &LockError{path, "it does not say which"}
		}
		if where != host || alive(pid) {
			return nil, &LockError{path, fmt.Sprintf("process %d on %s", pid, where)}
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// alive reports whether a process of this machine may be there. Where the system cannot tell, it may. The number of this
// process is that of an earlier one, such as the first in a container: this one has locked nothing yet.
func alive(pid int) bool {
	if pid == os.Getpid() {
		return false
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	defer p.Release()
	return !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
