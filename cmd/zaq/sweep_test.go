package main

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// limitAt remembers the limit of the garbage collector when a message comes.
type limitAt struct {
	slog.Handler
	message string
	limit   int64
}

func (h *limitAt) Enabled(context.Context, slog.Level) bool { return true }

func (h *limitAt) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, h.message) {
		h.limit = debug.SetMemoryLimit(-1)
	}
	return nil
}

// --memory of a cell keeps garbage within it while the cell is made, as in zaq quantize, and no longer.
func TestSweepMemory(t *testing.T) {
	dir := t.TempDir()
	model, images := filepath.Join(dir, "a.onnx"), filepath.Join(dir, "images.bin")
	if err := writeModel("good", model); err != nil {
		t.Fatal(err)
	}
	if err := writeImages(images, "20", "3"); err != nil {
		t.Fatal(err)
	}
	var o sweepOptions
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.addFlags(flags)
	err := flags.Parse([]string{
		"--models", model, "--methods", "zaq --memory 280MiB --batch 64 --steps 1 --warmup 1", "--data", "cifar10:" + images,
		"-o", filepath.Join(dir, "out"), "--scale", "1/255",
	})
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := o.tasks()
	if err != nil {
		t.Fatal(err)
	}
	before := debug.SetMemoryLimit(-1)
	h := &limitAt{Handler: slog.DiscardHandler, message: "images at a time, to keep within the memory"}
	a := &app{stdout: io.Discard, stderr: io.Discard, quiet: true, log: slog.New(h)}
	if err := a.sweep(context.Background(), &o, tasks); err != nil {
		t.Fatal(err)
	}
	if want := int64(280<<20 - 280<<20/8); h.limit != want {
		t.Errorf("while the cell is made the limit is %d, want %d", h.limit, want)
	}
	if after := debug.SetMemoryLimit(-1); after != before {
		t.Errorf("afterwards the limit is %d, before it was %d", after, before)
	}
}
