package main

import (
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"zaq"
)

// above0 refuses zeros that somebody wrote: in the library a zero stands for the default, and a person who writes
// 0 does not mean that.
func above0(flags *pflag.FlagSet, names ...string) error {
	return refuse(flags, names, func(v float64) bool { return v == 0 }, "must be above 0")
}

// notNegative refuses negative numbers, which in the library stand for "none": here 0 does.
func notNegative(flags *pflag.FlagSet, names ...string) error {
	return refuse(flags, names, func(v float64) bool { return v < 0 }, "must not be negative")
}

// refuse reports the first of the named flags that is on the command line with a bad value. Durations count in
// whatever unit they have.
func refuse(flags *pflag.FlagSet, names []string, bad func(float64) bool, reason string) error {
	for _, name := range names {
		f := flags.Lookup(name)
		v, err := strconv.ParseFloat(strings.TrimRight(f.Value.String(), "hmµns"), 64)
		if f.Changed && err == nil && bad(v) {
			return &zaq.OptionError{Option: name, Value: f.Value.String(), Reason: reason}
		}
	}
	return nil
}
