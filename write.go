package zaq

import (
	"bytes"
	"io"

	"zaq/internal/checkpoint"
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
	return checkpoint.WriteFileAtomic(path, 0o644, func(w io.Writer) error {
		_, err := a.WriteTo(w)
		return err
	})
}
