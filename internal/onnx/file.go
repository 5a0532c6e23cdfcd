package onnx

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Source names the bytes that a model was read from: those of its file, and then those of each tensor whose elements
// lie in another file, initializers before attributes of nodes and both in the order of the graph.
type Source struct {
	SHA256 [sha256.Size]byte
	Bytes  int64
	Files  []string // the model's own first, those beside it sorted
}

// ReadFile reads the ONNX file at path, and the files beside it that hold the elements of its tensors.
func ReadFile(path string) (*Model, error) {
	m, _, err := ReadSource(path)
	return m, err
}

// ReadSource is ReadFile with the name of what was read.
func ReadSource(path string) (*Model, Source, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, Source{}, err
	}
	sum, s := sha256.New(), Source{Files: []string{path}}
	count := func(b []byte) {
		sum.Write(b)
		s.Bytes += int64(len(b))
	}
	count(b)
	m, err := Decode(b)
	if err == nil {
		var beside []string
		beside, err = m.load(filepath.Dir(path), count)
		s.Files = append(s.Files, beside...)
	}
	if err != nil {
		return nil, Source{}, fmt.Errorf("%s: %w", path, err)
	}
	sum.Sum(s.SHA256[:0])
	return m, s, nil
}

// WriteFile writes the model to path, all in one file. It appears there whole or not at all: on failure,
// what was there before is as it was.
func (m *Model) WriteFile(path string) error {
	b, err := m.Encode()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	s, err := stage(path, b)
	if err != nil {
		return err
	}
	defer s.discard()
	return s.commit()
}

// staged is a file that is written, but not yet under its name.
type staged struct{ temp, path string }

// stage writes chunks one after the other to a new file in the directory of path, with the permissions of
// the file at path if there is one.
func stage(path string, chunks ...[]byte) (_ *staged, err error) {
	mode := fs.FileMode(0o666)
	old, statErr := os.Stat(path)
	switch {
	case statErr == nil && old.IsDir():
		return nil, &fs.PathError{Op: "write", Path: path, Err: errors.New("is a directory")}
	case statErr == nil:
		mode = old.Mode().Perm()
	}
	dir, base := filepath.Split(path)
	temp := filepath.Join(dir, fmt.Sprintf(".%s.%016x.tmp", base, rand.Uint64()))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, errors.Unwrap(err))
	}
	s := &staged{temp, path}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			s.discard()
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	if statErr == nil {
		if err := f.Chmod(mode); err != nil { // whatever the umask
			return nil, err
		}
	}
	for _, b := range chunks {
		if _, err := f.Write(b); err != nil {
			return nil, err
		}
	}
	return s, f.Sync()
}

// commit gives the file its name, in place of what had it.
func (s *staged) commit() error { return os.Rename(s.temp, s.path) }

// discard removes the file unless it was committed.
func (s *staged) discard() { os.Remove(s.temp) }
