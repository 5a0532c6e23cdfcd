package main

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestUsage holds the hand-written usage texts against the flags that exist: each flag is shown, nothing else
// is, and the defaults are true.
func TestUsage(t *testing.T) {
	root := newRootCommand(&app{stdout: io.Discard, stderr: io.Discard})
	flagLine := regexp.MustCompile(`(?m)^ +(?:-([a-z]), |    )--([a-z0-9-]+)(.*(?:\n {20,}.*)*)$`)
	defaults := regexp.MustCompile(`\(default ([^ );]+)[;)]|([a-z0-9]+) \(default[;)]`)
	for _, cmd := range append(root.Commands(), root) {
		t.Run(cmd.Name(), func(t *testing.T) {
			if !strings.Contains(cmd.Long, "\nUsage:\n    zaq ") {
				t.Error("no usage line")
			}
			if !strings.Contains(cmd.Long, "\nExample:\n    zaq ") {
				t.Error("no example")
			}
			for i, line := range strings.Split(cmd.Long, "\n") {
				if len(line) > 120 {
					t.Errorf("line %d is %d characters wide", i+1, len(line))
				}
			}

			flags := cmd.LocalNonPersistentFlags()
			if cmd == root {
				flags = cmd.PersistentFlags()
			}
			shown := map[string]bool{}
			for _, m := range flagLine.FindAllStringSubmatch(cmd.Long, -1) {
				short, name, text := m[1], m[2], m[3]
				shown[name] = true
				f := flags.Lookup(name)
				if f == nil {
					t.Errorf("--%s is shown and does not exist", name)
					continue
				}
				if f.Shorthand != short {
					t.Errorf("--%s is shown with -%s and has -%s", name, short, f.Shorthand)
				}
				if d := defaults.FindStringSubmatch(text); d != nil && f.DefValue != d[1]+d[2] {
					t.Errorf("--%s: default is shown as %q and is %q", name, d[1]+d[2], f.DefValue)
				}
			}
			flags.VisitAll(func(f *pflag.Flag) {
				if !shown[f.Name] && f.Name != "help" {
					t.Errorf("--%s exists and is not shown", f.Name)
				}
			})
		})
	}
}

func TestDidYouMean(t *testing.T) {
	verbs := []string{"quantize", "eval", "inspect", "train", "demo", "help", "version"}
	for _, c := range []struct{ given, want string }{
		{"quantise", "did you mean quantize?"},
		{"quant", "did you mean quantize?"},
		{"evla", "did you mean eval?"},
		{"inspekt", "did you mean inspect?"},
		{"dmeo", "did you mean demo?"},
		{"convert", "see"},
		{"", "see"},
	} {
		if got := didYouMean(c.given, verbs, "see"); got != c.want {
			t.Errorf("didYouMean(%q) = %q, want %q", c.given, got, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
