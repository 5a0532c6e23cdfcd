package zaq

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"zaq/internal/checkpoint"
)

// Files in a checkpoint directory, one for each kind of run.
const (
	quantizeCheckpoint = "quantize.ckpt"
	trainCheckpoint    = "train.ckpt"
)

// openCheckpoint makes dir ready for the file called name before the run begins. A run that does not resume removes
// what an earlier one left there: were it interrupted before it wrote a state of its own, --resume would find
// another's. A run that resumes and finds nothing was stopped before its first state, and begins anew; resume then
// comes back false.
func openCheckpoint(dir, name string, resume bool, log *slog.Logger) (path string, _ bool, err error) {
	if dir == "" {
		return "", false, nil
	}
	if err := makeWritable(dir); err != nil {
		return "", false, err
	}
	path = filepath.Join(dir, name)
	checkpoint.RemoveStale(path)
	if !resume {
		switch err := os.Remove(path); {
		case err == nil:
			log.Warn("the state of an earlier run is removed; --resume would have gone on from it", "checkpoint", path)
		case !errors.Is(err, fs.ErrNotExist):
			return "", false, fmt.Errorf("checkpoint: %w", err)
		}
		return path, false, nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		log.Warn("nothing to resume: the run begins anew", "checkpoint", path)
		return path, false, nil
	}
	return path, true, nil
}

// makeWritable makes a directory where there is none, and finds out before a long run whether files can be
// written there.
func makeWritable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	f, err := os.CreateTemp(dir, ".zaq.*")
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
