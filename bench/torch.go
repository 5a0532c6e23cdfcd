package main

import (
	"bufio"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed peer/*.py
var scripts embed.FS

// errNoTorch says that there is nothing to compare with.
var errNoTorch = errors.New("no Python with PyTorch: -python names one, `make oracles` installs one, -skip measures without")

// torch is the peer: a process that takes the same steps with PyTorch, when it is asked to.
type torch struct {
	hello
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	dir string
}

// hello is what the peer says of itself.
type hello struct {
	Torch   string `json:"torch"`
	Threads int    `json:"threads"`
	BLAS    string `json:"blas"`
}

// findPython returns a Python that has PyTorch: the given one, or one of the usual ones.
func findPython(given string) (string, error) {
	candidates := []string{given}
	if given == "" {
		candidates = []string{os.Getenv("ZAQ_PYTHON"), "python3", "/usr/bin/python3"}
	}
	const look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
	for _, python := range candidates {
		if python != "" && exec.Command(python, "-c", look).Run() == nil {
			return python, nil
		}
	}
	return "", errNoTorch
}

// peerEnv is what makes the peer faster than it is out of the box: OpenBLAS on one thread, since its own threads and
// PyTorch's get in each other's way, and an allocator that gives no memory back, since the kernel would clear it anew
// for every large map.
var peerEnv = []string{"OPENBLAS_NUM_THREADS=1", "MALLOC_MMAP_MAX_=0", "MALLOC_TRIM_THRESHOLD_=1000000000000"}

func startTorch(python string, threads int, env []string) (_ *torch, err error) {
	t := &torch{}
	if t.dir, err = os.MkdirTemp("", "zaq-bench"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(t.dir)
		}
	}()
	if err := os.CopyFS(t.dir, scripts); err != nil {
		return nil, err
	}
	t.cmd = exec.Command(python, filepath.Join(t.dir, "peer", "peer.py"), "--threads", fmt.Sprint(threads))
	t.cmd.Env = append(os.Environ(), env...)
	t.cmd.Stderr = os.Stderr
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.out = bufio.NewReader(out)
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	if err := t.ask(request{"do": "hello"}, &t.hello); err != nil {
		return nil, errors.Join(err, t.stop())
	}
	return t, nil
}

// request is a line to the peer; peer.py says what there is.
type request map[string]any

// ask sends a request and reads the answer into v, which may be nil.
func (t *torch) ask(r request, v any) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := t.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("PyTorch: %v: %w", r["do"], err)
	}
	answer, err := t.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("PyTorch: %v: %w", r["do"], err)
	}
	var failed struct{ Error string }
	if err := json.Unmarshal(answer, &failed); err != nil {
		return fmt.Errorf("PyTorch: %v: %q", r["do"], answer)
	}
	if failed.Error != "" {
		return fmt.Errorf("PyTorch: %v: %s", r["do"], strings.TrimSpace(failed.Error))
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(answer, v)
}

// open prepares a work in a memory layout, which is its id from then on.
func (t *torch) open(w work, layout string) error {
	r := maps.Clone(w.torch)
	r["do"], r["id"], r["layout"] = "open", layout, layout
	return t.ask(r, nil)
}

// run takes steps of a work that was opened and returns the seconds of each.
func (t *torch) run(id string, steps int) ([]float64, error) {
	var answer struct{ Seconds []float64 }
	err := t.ask(request{"do": "run", "id": id, "steps": steps}, &answer)
	return answer.Seconds, err
}

// footprint is what a process holds, in bytes.
type footprint struct {
	RSS  int64 `json:"rss"`
	Peak int64 `json:"peak"` // of RSS, since the last look
}

func (t *torch) memory() (m footprint, err error) { return m, t.ask(request{"do": "memory"}, &m) }

func (t *torch) stop() error {
	defer os.RemoveAll(t.dir)
	return errors.Join(t.in.Close(), t.cmd.Wait())
}
