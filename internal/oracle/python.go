package oracle

import (
	"os"
	"os/exec"
	"testing"
)

// Python returns a Python 3 that has a module, such as torch: $ZAQ_PYTHON, the one that is found first, or that of
// the system, which may be another. It skips the test where there is none.
func Python(t testing.TB, module string) string {
	t.Helper()
	const look = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
	for _, python := range []string{os.Getenv("ZAQ_PYTHON"), "python3", "/usr/bin/python3"} {
		if python != "" && exec.Command(python, "-c", look, module).Run() == nil {
			return python
		}
	}
	missing(t, "Python with "+module+" (ZAQ_PYTHON names one)")
	return ""
}

// RunPython runs a script by a Python that has the module, and ends the test where it fails.
func RunPython(t testing.TB, module, script string, args ...string) {
	t.Helper()
	python := Python(t, module)
	if out, err := exec.Command(python, append([]string{script}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}
