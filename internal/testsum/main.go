// Command testsum reads the output of "go test -json" and prints what "go test" would, and at the end the
// tests that were skipped with their reasons: a test that did not run must not look like one that passed.
//
//	go test -json ./... | testsum
//
// It exits with 1 if a test failed or a package did not build, and with -strict if a test was skipped.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is a line of test2json's output ("go doc test2json").
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

func main() {
	strict := flag.Bool("strict", false, "fail if a test was skipped")
	flag.Parse()
	failed, skipped, err := summarize(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
	}
	if failed || err != nil || *strict && skipped > 0 {
		os.Exit(1)
	}
}

// summarize copies the output of failed tests and the last line of each package, then lists skipped tests.
// It reports whether anything failed, and how many were skipped.
func summarize(r io.Reader, w io.Writer) (failed bool, nskipped int, err error) {
	type test struct{ pkg, name string }
	output := map[test][]string{}
	var skipped []string
	passed := 0

	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(w, lines.Text()) // not an event: the go command itself speaks
			continue
		}
		t := test{e.Package, e.Test}
		switch e.Action {
		case "build-output":
			fmt.Fprint(w, e.Output)
		case "output":
			if e.Test == "" {
				packageLine(w, e.Output)
			} else {
				output[t] = append(output[t], e.Output)
			}
		case "pass":
			if e.Test != "" {
				passed++
			}
			delete(output, t)
		case "skip":
			if e.Test != "" {
				skipped = append(skipped, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(output[t])))
			}
			delete(output, t)
		case "fail", "build-fail":
			failed = true
			for _, line := range output[t] {
				fmt.Fprint(w, line)
			}
			delete(output, t)
		}
	}
	if err := lines.Err(); err != nil {
		return true, 0, err
	}
	for t, unfinished := range output { // of tests that ended the process
		failed = true
		fmt.Fprintf(w, "%s %s did not finish\n%s", t.pkg, t.name, strings.Join(unfinished, ""))
	}

	fmt.Fprintf(w, "\n%d tests and subtests passed, %d skipped\n", passed, len(skipped))
	for _, s := range skipped {
		fmt.Fprintln(w, "skipped:", s)
	}
	return failed, len(skipped), nil
}

// packageLine prints a package's own output, less what says nothing.
func packageLine(w io.Writer, line string) {
	if line != "PASS\n" {
		fmt.Fprint(w, line)
	}
}

// reason is what a skipped test said, without file and line.
func reason(output []string) string {
	var said []string
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, text, ok := strings.Cut(line, ".go:"); ok {
			if _, after, ok := strings.Cut(text, ": "); ok {
				line = after
			}
		}
		said = append(said, line)
	}
	return strings.Join(said, " ")
}
