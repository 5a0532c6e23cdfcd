package checkpoint

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// WriteFileAtomic makes the file at path hold what write writes, or leaves things as they were: the bytes
// go to a new file in the same folder, which takes the place of the old one only when it is complete and
// on the disk. A reader never sees half a file, and a failure leaves none behind.
//
// A symbolic link at path is followed. What is there but no regular file, such as /dev/stdout, is written
// to directly.
func WriteFileAtomic(path string, perm os.FileMode, write func(io.Writer) error) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder", path)
	case err == nil && !info.Mode().IsRegular():
		return writeDirect(path, write)
	}

	f, err := createBeside(path, perm)
	if err != nil {
		return named(path, err)
	}
	placed := false
	defer func() { // also when write panics
		if !placed {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := writeBuffered(f, write); err != nil {
		if p := (*fs.PathError)(nil); errors.As(err, &p) && p.Path == f.Name() {
			return named(path, err)
		}
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return named(path, err)
	}
	if err := f.Close(); err != nil {
		return named(path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return named(path, err)
	}
	placed = true
	return syncFolder(filepath.Dir(path))
}

// named makes err speak of the file that was asked for instead of the temporary one.
func named(path string, err error) error {
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err
	} else if inner := (*os.LinkError)(nil); errors.As(err, &inner) {
		err = inner.Err
	}
	return &fs.PathError{Op: "write", Path: path, Err: err}
}

// createBeside makes a new hidden file in the folder of path. Unlike os.CreateTemp it leaves the
// permissions to perm and the process's umask.
func createBeside(path string, perm os.FileMode) (*os.File, error) {
	dir, base := filepath.Split(path)
	for {
		name := filepath.Join(dir, fmt.Sprintf(".%s.%08x.tmp", base, rand.Uint32()))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// RemoveStale removes what writers of the file at path left beside it that were killed before they were through. None
// may be at work.
func RemoveStale(path string) {
	dir, base := filepath.Split(path)
	stale, _ := filepath.Glob(filepath.Join(dir, "."+base+".*.tmp")) // a name of ours has nothing to escape
	for _, name := range stale {
		os.Remove(name)
	}
}

func writeDirect(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(writeBuffered(f, write), f.Close())
}

func writeBuffered(f *os.File, write func(io.Writer) error) error {
	w := bufio.NewWriterSize(f, 1<<16)
	if err := write(w); err != nil {
		return err
	}
	return w.Flush()
}

// syncFolder puts the new name on the disk, where the system has a way to say so.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil // some network file systems
	}
	return err
}
