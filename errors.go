package zaq

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"zaq/internal/method"
)

// ErrInterrupted is what a run whose context was cancelled returns, once its checkpoint is written. The
// error also wraps the context's own.
var ErrInterrupted = errors.New("interrupted")

// An OptionError is an option with a value that cannot be: a mistake of the caller, found before any work.
type OptionError struct {
	Option string // as on the command line, without dashes: "precision"
	Value  string // "" where no value is to blame
	Reason string
}

func (e *OptionError) Error() string {
	if e.Value == "" {
		return e.Option + ": " + e.Reason
	}
	return fmt.Sprintf("%s %q: %s", e.Option, e.Value, e.Reason)
}

// HintError is an error with advice on what to do about it. The advice is not part of the error's text: get
// it with Hint.
type HintError struct {
	Err    error
	Advice string // one line, lower case
}

func (e *HintError) Error() string { return e.Err.Error() }
func (e *HintError) Unwrap() error { return e.Err }

// Hint returns the advice.
func (e *HintError) Hint() string { return e.Advice }

// Hint returns the advice that an error, or one that it wraps, gives through a method Hint() string, the
// outermost first. It is "" where there is none.
func Hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// interrupted turns the error of a cancelled context into ErrInterrupted, with the way to go on where there
// is a checkpoint to go on from: the file called name in dir. Other errors stay as they are.
func interrupted(ctx context.Context, err error, dir, name string) error {
	switch {
	case !cancelled(ctx, err):
		return err
	case dir == "":
		return &HintError{
			Err:    &interruption{"no checkpoint was asked for, nothing is kept", err},
			Advice: "with --checkpoint DIR a run can be taken up again",
		}
	}
	if _, statErr := os.Stat(filepath.Join(dir, name)); statErr != nil {
		return &interruption{"too early for a checkpoint, nothing is kept", err}
	}
	return &HintError{
		Err:    &interruption{"checkpoint written to " + dir, err},
		Advice: "the same command with --resume goes on from there",
	}
}

// interruptedBriefly is interrupted for what takes seconds and keeps no checkpoint.
func interruptedBriefly(ctx context.Context, err error) error {
	if !cancelled(ctx, err) {
		return err
	}
	return &interruption{"nothing is kept", err}
}

// interruption is ErrInterrupted with what became of the run. Its cause, the error of the context, says nothing more.
type interruption struct {
	text  string
	cause error
}

func (e *interruption) Error() string   { return ErrInterrupted.Error() + ": " + e.text }
func (e *interruption) Unwrap() []error { return []error{ErrInterrupted, e.cause} }

// cancelled reports whether err is there because ctx was cancelled.
func cancelled(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err())
}

// explain adds to an error of a method which file it is about, and what can be done.
func (m *Model) explain(err error, o Options) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case Hint(err) != "", errors.As(err, new(*fs.PathError)): // it names its own file
		return err
	case errors.As(err, new(*method.NoClassesError)):
		return &HintError{Err: fmt.Errorf("%s: %w", m.path, err), Advice: "methods gdfq and ft learn classes; all others do without"}
	case !errors.Is(err, method.ErrNoBatchNorm):
		return fmt.Errorf("%s: %w", m.path, err)
	}
	advice := "methods rtn, squant, dfq, aciq and zaq go by images of your own, --calib DIR, or by noise"
	switch {
	case len(m.net.Inputs) > 1: // which --calib cannot feed
		advice = "methods rtn, squant, dfq, aciq and zaq go by noise where --mean, --std and --scale say how pixels become the input"
	case o.Images != traits[o.Method].images:
		advice = "without --images " + o.Images + ", " + advice
	case withoutStatistics[o.Method]:
		advice = "--calib DIR goes by images of your own; noise will do where --mean, --std and --scale say how pixels become the input"
	}
	return &HintError{Err: fmt.Errorf("%s: %w", m.path, err), Advice: advice}
}

// oneOf checks that value is among known.
func oneOf(option, value string, known ...string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	return &HintError{
		Err:    &OptionError{option, value, "no such " + option},
		Advice: option + " is one of " + strings.Join(known, ", "),
	}
}

// negative is the error of a count below zero.
func negative(option string, v int) error {
	return &OptionError{option, strconv.Itoa(v), "must not be negative"}
}

var errResumeFromNowhere = &HintError{
	Err:    &OptionError{"resume", "", "nothing to resume from"},
	Advice: "name the run's directory with --checkpoint DIR",
}
