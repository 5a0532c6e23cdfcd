package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zaq"
)

// Exit statuses.
const (
	statusError       = 1
	statusUsage       = 2
	statusInterrupted = 130 // as a shell reports a program that SIGINT ended
)

// usageError is a command line that cannot be obeyed.
type usageError struct{ text, hint string }

func (e *usageError) Error() string { return e.text }
func (e *usageError) Hint() string  { return e.hint }

func usageErrorf(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// exitStatus reports err in one line, with one more where there is advice, and returns its exit status.
func exitStatus(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "error: %s\n", oneLine(err.Error()))
	if hint := zaq.Hint(err); hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", oneLine(hint))
	}
	var usage *usageError
	var option *zaq.OptionError
	switch {
	case errors.Is(err, zaq.ErrInterrupted):
		return statusInterrupted
	case errors.As(err, &usage), errors.As(err, &option):
		return statusUsage
	}
	return statusError
}

func oneLine(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")
}

// flagError says what is wrong with a flag in the program's own words.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		return unknownFlag(cmd, unknown)
	}
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		cause := value.Unwrap()
		var number *strconv.NumError
		if errors.As(cause, &number) {
			cause = number.Err
		}
		return usageErrorf("--%s %q: %v", value.GetFlag().Name, value.GetValue(), cause)
	}
	var missing *pflag.ValueRequiredError
	if errors.As(err, &missing) {
		return usageErrorf("--%s needs a value", missing.GetFlag().Name)
	}
	return &usageError{text: err.Error(), hint: seeHelp(cmd)}
}

func unknownFlag(cmd *cobra.Command, unknown *pflag.NotExistError) error {
	given := "--" + unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		given = "-" + unknown.GetSpecifiedName()
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return &usageError{
		text: fmt.Sprintf("unknown flag %s", given),
		hint: didYouMean(given, names, seeHelp(cmd)),
	}
}

func unknownVerb(root *cobra.Command, given string) error {
	names := []string{"help"}
	for _, verb := range root.Commands() {
		names = append(names, verb.Name())
	}
	return &usageError{
		text: fmt.Sprintf("unknown verb %q", given),
		hint: didYouMean(given, names, seeHelp(root)),
	}
}

func seeHelp(cmd *cobra.Command) string {
	if cmd.HasParent() {
		return "see zaq help " + cmd.Name()
	}
	return "see zaq help"
}

// argument demands exactly one argument, called name in the usage text.
func argument(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return &usageError{text: fmt.Sprintf("%s is missing", name), hint: seeHelp(cmd)}
		case len(args) > 1:
			return &usageError{text: fmt.Sprintf("one %s at a time, not also %q", name, args[1]), hint: seeHelp(cmd)}
		}
		return nil
	}
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{text: fmt.Sprintf("%s takes no argument %q", cmd.Name(), args[0]), hint: seeHelp(cmd)}
	}
	return nil
}
