//go:build !noasm && !race

package zaq_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"zaq"
	"zaq/internal/realdata"
)

// shortRun is enough to pass through all phases of method zaq: warm up, ranges that move, ranges that are frozen.
var shortRun = zaq.Options{Precision: "w3a3", Seed: 5, ZAQ: zaq.ZAQOptions{Steps: 6, QPerG: 2, Warmup: 4, Batch: 16}}

// The same seed gives the same bytes: on one thread and on two, and where a run is cancelled, in any phase, and
// resumed. Another seed gives others.
func TestSameBytes(t *testing.T) {
	m := loadCIFAR(t, "resnet8_mlperftiny_cifar10")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	whole := quantize(t, m, shortRun).Bytes()
	runtime.GOMAXPROCS(2)
	if !bytes.Equal(whole, quantize(t, m, shortRun).Bytes()) {
		t.Error("two threads give another file than one")
	}
	other := shortRun
	other.Seed++
	if bytes.Equal(whole, quantize(t, m, other).Bytes()) {
		t.Error("another seed gives the same file")
	}
	for _, at := range []struct {
		phase string
		step  int
	}{{zaq.PhaseWarmUp, 2}, {zaq.PhaseTrain, 5}} {
		o := shortRun
		o.CheckpointDir = t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		o.Progress = func(p zaq.Progress) {
			if p.Phase == at.phase && p.Step == at.step {
				cancel()
			}
		}
		if _, err := zaq.Quantize(ctx, m, o); !errors.Is(err, zaq.ErrInterrupted) {
			t.Fatalf("cancelled in %s: %v", at.phase, err)
		}
		o.Resume = true
		o.Progress = func(p zaq.Progress) {
			if p.Phase == at.phase && p.Step <= at.step {
				t.Errorf("resumed, %s step %d is taken once more", p.Phase, p.Step)
			}
		}
		if !bytes.Equal(whole, quantize(t, m, o).Bytes()) {
			t.Errorf("cancelled in %s step %d and resumed: another file", at.phase, at.step)
		}
	}
}

// The same with processes: one is interrupted, one is killed outright, both while checkpoints are written.
func TestKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows has no signals to send")
	}
	program, model := build(t), realdata.Path(t, "models", "cifar10", "resnet8_mlperftiny_cifar10.onnx")
	dir := t.TempDir()
	quantize := func(out string, more ...string) *exec.Cmd {
		args := []string{"quantize", "-q", model, "-o", filepath.Join(dir, out), "--precision", "w3a3", "--seed", "5",
			"--steps", "9", "--warmup", "4", "--batch", "8"}
		return exec.Command(program, append(args, more...)...)
	}
	mustRun(t, quantize("whole.onnx"))
	whole := read(t, filepath.Join(dir, "whole.onnx"))
	for _, tt := range []struct {
		signal syscall.Signal
		status int
		stderr string
	}{
		{syscall.SIGINT, 130, "error: interrupted: checkpoint written to "},
		{syscall.SIGKILL, -1, ""},
	} {
		out, checkpoint := tt.signal.String()+".onnx", filepath.Join(dir, tt.signal.String())
		cmd := quantize(out, "--checkpoint", checkpoint, "--checkpoint-every", "1us")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, filepath.Join(checkpoint, "quantize.ckpt"))
		if err := cmd.Process.Signal(tt.signal); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != tt.status || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%v: exit status %d, want %d; %s", tt.signal, got, tt.status, &stderr)
		}
		if _, err := os.Stat(filepath.Join(dir, out)); err == nil {
			t.Errorf("%v: there is an output", tt.signal)
		}
		mustRun(t, quantize(out, "--checkpoint", checkpoint, "--resume"))
		if !bytes.Equal(whole, read(t, filepath.Join(dir, out))) {
			t.Errorf("%v and resumed: another file", tt.signal)
		}
	}
}

// build compiles the command and returns its path.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "zaq.exe")
	mustRun(t, exec.Command("go", "build", "-o", program, "./cmd/zaq"))
	return program
}

func mustRun(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// await waits until there is a file.
func await(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	t.Fatalf("no %s after a minute", path)
}
