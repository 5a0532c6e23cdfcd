package sweep

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain makes another process of the test binary for tests of locks: it locks the folder that a line of its input names, says
// how that went, and gives it back at the next line.
func TestMain(m *testing.M) {
	if os.Getenv("ZAQ_TEST_LOCKS") == "" {
		os.Exit(m.Run())
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		unlock, err := Lock(lines.Text())
		fmt.Println(err)
		lines.Scan()
		if err == nil {
			unlock()
		}
		fmt.Println("done")
	}
}

// locker is such a process.
type locker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func newLocker(t *testing.T) *locker {
	l := &locker{cmd: exec.Command(os.Args[0])}
	l.cmd.Env = append(os.Environ(), "ZAQ_TEST_LOCKS=1")
	var err error
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.out = bufio.NewReader(out)
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.in.Close()
		_ = l.cmd.Wait() // one that was killed says so
	})
	return l
}

func (l *locker) tell(t *testing.T, line string) {
	if _, err := fmt.Fprintln(l.in, line); err != nil {
		t.Fatal(err)
	}
}

func (l *locker) answer(t *testing.T) string {
	line, err := l.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// What the file says counts for other machines alone: on this one, the system knows better.
func TestLock(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	for _, test := range []struct {
		name, text string
		busy       bool
	}{
		{"one that is gone", fmt.Sprintf("%d %s\n", os.Getppid(), host), false},
		{"one of this number before", fmt.Sprintf("%d %s\n", os.Getpid(), host), false},
		{"another machine's", fmt.Sprintf("%d elsewhere-%s\n", os.Getpid(), host), true},
		{"nobody's", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, lockName)
			if err := os.WriteFile(path, []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			unlock, err := Lock(dir)
			if busy := errors.As(err, new(*LockError)); busy != test.busy || (err != nil) != test.busy {
				t.Fatalf("error %v, want busy: %v", err, test.busy)
			}
			if test.busy {
				if text, err := os.ReadFile(path); err != nil || string(text) != test.text {
					t.Errorf("afterwards %q, %v", text, err)
				}
				return
			}
			unlock()
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("after unlock: %v", err)
			}
		})
	}
}

// A process that is there keeps others out and is named; one that is killed does not.
func TestLockOfProcess(t *testing.T) {
	dir := t.TempDir()
	l := newLocker(t)
	l.tell(t, dir)
	if got := l.answer(t); got != "<nil>" {
		t.Fatal(got)
	}
	_, err := Lock(dir)
	if want := fmt.Sprintf("process %d on ", l.cmd.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("error %v, want %q", err, want)
	}
	if err := l.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = l.out.ReadString('\n') // until it is gone
	_ = l.cmd.Wait()
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// Of processes that find what a dead one left, at the same time, one has the folder: each time.
func TestLockRace(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	gone := exec.Command(os.Args[0], "-test.run=^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	var lockers []*locker
	for range 6 {
		lockers = append(lockers, newLocker(t))
	}
	for round := range 40 {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, lockName), fmt.Appendf(nil, "%d %s\n", gone.Process.Pid, host), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, l := range lockers {
			l.tell(t, dir)
		}
		held := 0
		for _, l := range lockers {
			if l.answer(t) == "<nil>" {
				held++
			}
		}
		if held != 1 {
			t.Errorf("round %d: %d processes hold the folder", round, held)
		}
		for _, l := range lockers {
			l.tell(t, "")
		}
		for _, l := range lockers {
			l.answer(t)
		}
	}
}
