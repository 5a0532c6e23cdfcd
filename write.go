package zaq

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// artifact is a finished ONNX file, in memory.
type artifact struct{ data []byte }

// Bytes returns the ONNX file.
func (a artifact) Bytes() []byte { return bytes.Clone(a.data) }

// Len returns the size of the ONNX file.
func (a artifact) Len() int { return len(a.data) }

// WriteTo writes the ONNX file to w.
func (a artifact) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(a.data)
	return int64(n), err
}

// Write writes the ONNX file to path, whole or not at all: what was there before stays there until the new
// file is safely on the disk.
func (a artifact) Write(path string) error {
	if err := replace(path, a.data); err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err // of the temporary file, whose name says nothing to anyone
		}
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// replace makes data the contents of path in one step.
func replace(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed, as it should
	if err := fill(f, data); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// fill writes data to a temporary file, gives it the mode of an ordinary one and closes it, on the disk.
func fill(f *os.File, data []byte) error {
	if _, err := f.Write(data); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
