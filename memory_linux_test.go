//go:build !noasm && !race

package zaq_test

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"zaq/internal/realdata"
)

// A network of 224 pixels is trained within the memory that --memory names, by fewer images at a time than a batch has.
func TestMemoryKept(t *testing.T) {
	const limit, kib = 1536 << 20, 1 << 10 // 8 images at a time take 1.9 GiB
	cmd := exec.Command(build(t), "quantize", realdata.Path(t, "models", "imagenet", "mobilenet_v1_0.75_224_imagenet.onnx"),
		"-o", filepath.Join(t.TempDir(), "out.onnx"), "--precision", "w4a4", "--memory", "1.5GiB", "--batch", "8", "--warmup", "1", "--steps", "1")
	mustRun(t, cmd)
	peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss * kib
	t.Logf("%d MiB", peak>>20)
	if peak > limit {
		t.Errorf("%d MiB were resident, of %d that it may take", peak>>20, limit>>20)
	}
}
