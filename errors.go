package zaq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
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
// is a checkpoint to go on from. Other errors stay as they are.
func interrupted(ctx context.Context, err error, checkpointDir string) error {
	if err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if checkpointDir == "" {
		return &HintError{
			Err:    fmt.Errorf("%w: no checkpoint was asked for, nothing is kept (%w)", ErrInterrupted, err),
			Advice: "with --checkpoint DIR a run can be taken up again",
		}
	}
	return &HintError{
		Err:    fmt.Errorf("%w: checkpoint written to %s (%w)", ErrInterrupted, checkpointDir, err),
		Advice: "the same command with --resume goes on from there",
	}
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
