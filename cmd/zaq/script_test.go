package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"zaq": main})
}

// TestScripts runs the scripts in testdata. Beside the commands of testscript they have:
//
//	status N zaq ARGS...      run zaq, which must exit with N; after a failure stderr must hold one line
//	                          "error: ..." and no more than one "hint: ..."
//	model KIND FILE           write a small network, see models_test.go
//	images FILE N [SEED]      write N images in CIFAR-10's form
//	pngs DIR N                write N images of 32 x 32 pixels as PNG files
//	truncate FROM TO N        copy the first N bytes of a file
//	empty DIR                 DIR must exist and hold nothing, hidden files included
//	await GLOB [TEXT]         wait until a file of that name appears, with TEXT in it
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":   status,
			"model":    command(2, func(ts *testscript.TestScript, a []string) error { return writeModel(a[0], ts.MkAbs(a[1])) }),
			"images":   images,
			"array":    command(2, func(ts *testscript.TestScript, a []string) error { return writeArray(a[0], ts.MkAbs(a[1])) }),
			"pngs":     command(2, func(ts *testscript.TestScript, a []string) error { return writePNGs(ts.MkAbs(a[0]), a[1]) }),
			"truncate": command(3, truncate),
			"empty":    command(1, empty),
			"await":    await,
		},
	})
}

// command makes a script command of f, which takes n arguments and cannot be negated.
func command(n int, f func(*testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != n {
			ts.Fatalf("takes %d arguments and no !", n)
		}
		ts.Check(f(ts, args))
	}
}

func images(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: images FILE N [SEED]")
	}
	ts.Check(writeImages(ts.MkAbs(args[0]), args[1], append(args[2:], "3")[0]))
}

var (
	errorLine = regexp.MustCompile(`(?m)^error: .+$`)
	hintLine  = regexp.MustCompile(`(?m)^hint: .+$`)
)

func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
	stderr := ts.ReadFile("stderr")
	errorLines, hintLines := len(errorLine.FindAllString(stderr, -1)), len(hintLine.FindAllString(stderr, -1))
	if want == 0 && errorLines+hintLines > 0 || want != 0 && (errorLines != 1 || hintLines > 1) {
		ts.Fatalf("%d error lines and %d hint lines", errorLines, hintLines)
	}
}

func truncate(ts *testscript.TestScript, args []string) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	if n > len(data) {
		return errors.New("the file is shorter than that")
	}
	return os.WriteFile(ts.MkAbs(args[1]), data[:n], 0o644)
}

func empty(ts *testscript.TestScript, args []string) error {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	for _, e := range entries {
		return errors.New(args[0] + " holds " + e.Name())
	}
	return nil
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: await GLOB [TEXT]")
	}
	text := strings.Join(args[1:], "")
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		for _, path := range found {
			if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), text) {
				return
			}
		}
	}
	ts.Fatalf("no %s with %q after a minute", args[0], text)
}
