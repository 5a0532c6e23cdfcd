package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"zaq"
)

// outputPath is where a quantized model goes that was given no name: MODEL.w4a4.onnx for MODEL.onnx.
func outputPath(model, precision string) string {
	return strings.TrimSuffix(model, filepath.Ext(model)) + "." + strings.ToLower(precision) + ".onnx"
}

// checkOutput finds out before a long run, not after it, that its result could not be written to path. It
// leaves nothing behind.
func checkOutput(path string, inputs ...string) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // so does the writing: it is there that a file must be made, not in /dev for /dev/stdout
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("output %s: is a directory", path)
	case err == nil && !info.Mode().IsRegular():
		return nil // a pipe or a device: nothing but writing tells
	case err == nil:
		for _, in := range inputs {
			if i, err := os.Stat(in); err == nil && os.SameFile(i, info) {
				return usageErrorf("output %s: would overwrite the model it is made of", path)
			}
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".zaq.*")
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err // of the temporary file, whose name says nothing to anyone
		}
		return fmt.Errorf("output %s: %w", path, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// writeUnlessInterrupted writes a finished result to path. An interrupt that came after the last step counts too: who
// stopped a run finds no output of it.
func writeUnlessInterrupted(ctx context.Context, r interface{ Write(path string) error }, path string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %s is not written", zaq.ErrInterrupted, path)
	}
	return r.Write(path)
}
