package checkpoint

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func writes(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// only fails unless the folder holds just the file name with these contents.
func only(t *testing.T, dir, name, text string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != name {
		t.Fatalf("the folder holds %v", entries)
	}
	if got := string(read(t, filepath.Join(dir, name))); got != text {
		t.Fatalf("%s holds %q, want %q", name, got, text)
	}
}

// A writer that was killed leaves its file, which the next run removes.
func TestRemoveStale(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run.ckpt")
	f, err := createBeside(path, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	other := filepath.Join(dir, ".other.ckpt.0.tmp")
	for _, name := range []string{path, other} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	RemoveStale(path)
	if _, err := os.Stat(f.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", f.Name(), err)
	}
	for _, name := range []string{path, other} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

func TestWriteFileAtomic(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.onnx")
	if err := WriteFileAtomic(path, 0o600, writes("first")); err != nil {
		t.Fatal(err)
	}
	only(t, dir, "model.onnx", "first")
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}

	long := strings.Repeat("second ", 1<<15)
	during := func(w io.Writer) error {
		if _, err := io.WriteString(w, long); err != nil {
			return err
		}
		if got := string(read(t, path)); got != "first" {
			t.Errorf("a reader sees %q while the new file is written", got)
		}
		return nil
	}
	if err := WriteFileAtomic(path, 0o600, during); err != nil {
		t.Fatal(err)
	}
	only(t, dir, "model.onnx", long)
}

func TestFailureLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.onnx")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	half := func(w io.Writer) error {
		writes(strings.Repeat("half ", 1<<16))(w)
		return broken
	}
	if err := WriteFileAtomic(path, 0o600, half); !errors.Is(err, broken) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
	only(t, dir, "model.onnx", "old")

	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic was swallowed")
			}
		}()
		WriteFileAtomic(path, 0o600, func(io.Writer) error { panic("in the writer") })
	}()
	only(t, dir, "model.onnx", "old")
}

func TestWriteErrorsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "none", "model.onnx")
	err := WriteFileAtomic(missing, 0o600, writes("x"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing+":") {
		t.Errorf("missing folder: %v", err)
	}
	if err := WriteFileAtomic(dir, 0o600, writes("x")); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("folder: %v", err)
	}
}

func TestLinksAreFollowed(t *testing.T) {
	dir, links := t.TempDir(), t.TempDir()
	link := filepath.Join(links, "latest")
	if err := os.WriteFile(filepath.Join(dir, "run"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "run"), link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if err := WriteFileAtomic(link, 0o600, writes("new")); err != nil {
		t.Fatal(err)
	}
	only(t, dir, "run", "new")
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info.Mode(), err)
	}
}

func TestDevicesAreWrittenDirectly(t *testing.T) {
	if err := WriteFileAtomic(os.DevNull, 0o600, writes("gone")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s is now %v, %v", os.DevNull, info.Mode(), err)
	}
}
