package sweep

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestLock(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	gone := exec.Command(os.Args[0], "-test.run=^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, text string
		busy       bool
	}{
		{"a process that is there", fmt.Sprintf("%d %s\n", os.Getppid(), host), true},
		{"one that is gone", fmt.Sprintf("%d %s\n", gone.Process.Pid, host), false},
		{"one of this number before", fmt.Sprintf("%d %s\n", os.Getpid(), host), false},
		{"another machine's", fmt.Sprintf("%d elsewhere-%s\n", gone.Process.Pid, host), true},
		{"nobody's", "", true},
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
				return
			}
			unlock()
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("after unlock: %v", err)
			}
		})
	}
}
