package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Error says why a checkpoint cannot be used.
type Error struct {
	Path string
	Err  error

	hint string
}

func (e *Error) Error() string { return fmt.Sprintf("checkpoint %s: %v", e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// Hint says what the user can do about it, in one sentence.
func (e *Error) Hint() string { return e.hint }

// Save writes the state to path. Until the new file is complete and on the disk, the old one stays.
func Save(path string, s *State) error {
	b, err := encode(s)
	if err != nil {
		return &Error{Path: path, Err: err}
	}
	return WriteFileAtomic(path, 0o644, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// Load reads the state that Save wrote to path. A file that is missing, truncated, damaged or no checkpoint
// is an [*Error]; a missing one also wraps fs.ErrNotExist.
func Load(path string) (*State, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &Error{path, err, "start without --resume"}
	}
	s, err := decode(b)
	switch {
	case errors.Is(err, errForeign):
		return nil, &Error{path, err, "name another file, or start without --resume"}
	case err != nil:
		return nil, &Error{path, err, fmt.Sprintf("delete %s, or start without --resume", path)}
	}
	return s, nil
}

// LoadMatching is Load of a checkpoint made by a run of this configuration. Where the fingerprints differ
// the error names the first key that does, in the order of the run's.
func LoadMatching(path, fingerprint string) (*State, error) {
	s, err := Load(path)
	if err != nil {
		return nil, err
	}
	if err := difference(s.Fingerprint, fingerprint); err != nil {
		return nil, &Error{path, err, "use the options that it was made with, or start without --resume"}
	}
	return s, nil
}
