// Package realdata finds, for tests, the real models and images that are no part of the repository: in $ZAQ_DATA or, where
// that is not set, in ../shared/data beside it. A test that needs what is not there is skipped; in CI it fails.
package realdata

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Path returns the path of a file or a folder of the shared data.
func Path(t testing.TB, elements ...string) string {
	t.Helper()
	dir := os.Getenv("ZAQ_DATA")
	if dir == "" {
		dir = filepath.Join(Root(t), "..", "shared", "data")
	}
	path := filepath.Join(append([]string{dir}, elements...)...)
	need(t, path, "set ZAQ_DATA to the shared data")
	return path
}

// Glob returns the files of the shared data that match a pattern of filepath.Glob; there is at least one.
func Glob(t testing.TB, pattern ...string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Path(t), filepath.Join(pattern...)))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s in the shared data: %v", filepath.Join(pattern...), err)
	}
	return files
}

// CIFAR10 returns the folder of the binary version of CIFAR-10, all of it: $ZAQ_CIFAR10, or where `make cifar10` puts it.
func CIFAR10(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ZAQ_CIFAR10")
	if dir == "" {
		dir = filepath.Join(Root(t), "data", "cifar-10-batches-bin")
	}
	need(t, filepath.Join(dir, "test_batch.bin"), "`make cifar10` fetches CIFAR-10, ZAQ_CIFAR10 says where it is")
	return dir
}

// Root is the folder of the repository: tests run in that of their package.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("tests run in no module")
		}
		dir = parent
	}
}

func need(t testing.TB, path, advice string) {
	t.Helper()
	_, err := os.Stat(path)
	switch {
	case err == nil:
	case errors.Is(err, os.ErrNotExist) && os.Getenv("CI") != "true":
		t.Skipf("no %s: %s", path, advice)
	default:
		t.Fatalf("no %s (%v): %s", path, err, advice)
	}
}
