package zaq

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// TestOpenCheckpoint pins what a run does with a state that is there, and without one, before it begins.
func TestOpenCheckpoint(t *testing.T) {
	for _, tt := range []struct {
		name              string
		there, resume     bool
		left, goesOn, say bool // the state is still there; the run goes on from it; a warning is logged
	}{
		{"anew", false, false, false, false, false},
		{"anew, over another's", true, false, false, false, true},
		{"resumed", true, true, true, true, false},
		{"resumed from nothing", false, true, false, false, true},
	} {
		dir := filepath.Join(t.TempDir(), "made", "here")
		file := filepath.Join(dir, "run.ckpt")
		if tt.there {
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(file, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		path, goesOn, err := openCheckpoint(dir, "run.ckpt", tt.resume, slog.New(slog.NewTextHandler(&log, nil)))
		_, statErr := os.Stat(file)
		if err != nil || path != file || goesOn != tt.goesOn || errors.Is(statErr, fs.ErrNotExist) == tt.left || log.Len() > 0 != tt.say {
			t.Errorf("%s: %s, goes on %v, %v; the file: %v; log %q", tt.name, path, goesOn, err, statErr, &log)
		}
	}
	if path, _, err := openCheckpoint("", "run.ckpt", false, nil); path != "" || err != nil {
		t.Errorf("no directory: %q, %v", path, err)
	}
}
