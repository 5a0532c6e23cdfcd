// Package sweep keeps the cells of a grid of models, methods and precisions: one file each, written whole when the cell
// is finished, so that a run which was stopped goes on where it was, and parts of a grid can be made on several machines
// and joined.
package sweep

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"zaq/internal/checkpoint"
)

// Cell is a model quantized in one way, and how it did.
type Cell struct {
	Model     string `json:"model"`  // its file, without folder and ending
	SHA256    string `json:"sha256"` // of the model
	Method    string `json:"method"` // with the flags that were given for it; "float": not quantized
	Scheme    string `json:"scheme,omitempty"`
	Precision string `json:"precision,omitempty"`
	Seed      uint64 `json:"seed"`
	Fixed     bool   `json:"fixed,omitempty"`  // no random number is drawn, so that every seed gives this; cells of earlier versions do not say
	Data      string `json:"data"`             // what it was evaluated on
	Pixels    string `json:"pixels,omitempty"` // digest of how they become the input; cells of earlier versions have none
	Images    string `json:"images,omitempty"` // digest of what it was evaluated on, likewise
	Inputs    string `json:"inputs,omitempty"` // digest of the images of the user's own that the method looks at, likewise
	Seen      int    `json:"seen,omitempty"`   // how many of these images are among those it was evaluated on; cells of earlier versions do not say

	N         int     `json:"n"` // images
	Top1      int     `json:"top1"`
	Agreement float64 `json:"agreement,omitempty"`  // with the float model, on held-back images of the method's own
	Steps     int     `json:"steps,omitempty"`      // of the quantized network
	Start     bool    `json:"start_kept,omitempty"` // none of these brought it nearer to the float model: it is as it began
	Bytes     int64   `json:"bytes"`                // of the file
	Seconds   float64 `json:"seconds"`              // of quantizing
	Kernels   string  `json:"kernels,omitempty"`
	Version   string  `json:"version,omitempty"` // of the program
	Resumed   bool    `json:"resumed,omitempty"` // after a stop: Seconds leave out what came before
	Command   string  `json:"command"`           // that makes it again
	Folder    string  `json:"folder,omitempty"`  // from where its relative paths lead
}

// Float is the method of a model as it is.
const Float = "float"

// Accuracy is the share of right answers in percent.
func (c *Cell) Accuracy() float64 { return 100 * float64(c.Top1) / float64(c.N) }

var unsafeName = regexp.MustCompile(`[^A-Za-z0-9.=-]+`)

// longestName is what a name among files may be: 255 bytes on most systems, less what writers put around it. Up to there, names
// are as they always were.
const longestName = 255 - len("..01234567.tmp") - len(".json")

// Name is the cell's name among files. Where it would be too long for one, a digest of all of it takes the place of the rest.
func (c *Cell) Name() string {
	parts := []string{c.Model, c.Method}
	if c.Method != Float {
		parts = append(parts, c.Scheme, c.Precision, fmt.Sprint("seed", c.Seed))
	}
	whole := strings.Join(parts, "_")
	name := strings.Trim(unsafeName.ReplaceAllString(whole, "_"), "_")
	if len(name) <= longestName {
		return name
	}
	end := fmt.Sprintf("_%.16x", sha256.Sum256([]byte(whole)))
	return name[:longestName-len(end)] + end
}

// same reports whether two cells are about the same work.
func (c *Cell) same(other *Cell) bool { return c.alike(other) && c.Command == other.Command }

// alike reports whether two cells, of one name, are of the same model in the same preprocessing and of the same images. On
// another machine these may lie elsewhere, so that commands differ.
func (c *Cell) alike(other *Cell) bool {
	return c.SHA256 == other.SHA256 && agree(c.Pixels, other.Pixels) && agree(c.Images, other.Images) && agree(c.Inputs, other.Inputs)
}

// agree compares digests, which cells of earlier versions lack: nothing speaks against those.
func agree(a, b string) bool { return a == b || a == "" || b == "" }

// result is what contradicting cells differ in.
func (c *Cell) result() string {
	return fmt.Sprintf("%d of %d right by %s kernels, model %.8s", c.Top1, c.N, c.Kernels, c.SHA256)
}

// With returns cells and, behind them, those of others of which they have none of that name.
func With(cells, others []*Cell) []*Cell {
	known := map[string]bool{}
	for _, c := range cells {
		known[c.Name()] = true
	}
	all := slices.Clone(cells)
	for _, c := range others {
		if !known[c.Name()] {
			all = append(all, c)
		}
	}
	return all
}

// folder is where the cells of a grid lie.
const folder = "cells"

// Begin makes a folder one of a sweep, with tables of what is there: perhaps of nothing, where all cells fail or a part of a grid
// has none.
func Begin(dir string, cells []*Cell) error {
	if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
		return err
	}
	return Write(dir, cells)
}

// Begun reports whether a folder is one of a sweep.
func Begun(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, folder))
	return err == nil && info.IsDir()
}

// Save writes a finished cell.
func Save(dir string, c *Cell) error {
	path := filepath.Join(dir, folder)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return checkpoint.WriteFileAtomic(filepath.Join(path, c.Name()+".json"), 0o644, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(c)
	})
}

// Find returns the finished cell that is about the same work as c; nil where there is none. One of the same name that is
// about other work is an error: a table must not mix them.
func Find(dir string, c *Cell) (*Cell, error) {
	path := filepath.Join(dir, folder, c.Name()+".json")
	got, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && !got.same(c) {
		err = fmt.Errorf("%s: is of another command or model: %s", path, got.Command)
		if got.Command == c.Command {
			err = fmt.Errorf("%s: is of another model, other images or another preprocessing under the same names", path)
		}
	}
	if err != nil {
		return nil, err
	}
	got.Fixed, got.Seen = c.Fixed, c.Seen // where an earlier version did not say
	return got, nil
}

func read(path string) (*Cell, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c := &Cell{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, &DamagedError{path, err}
	}
	if c.N < 1 || c.Top1 < 0 || c.Top1 > c.N || c.Model == "" || c.Method == "" {
		return nil, &DamagedError{path, errors.New("is no cell of a sweep")}
	}
	return c, nil
}

// A DamagedError is a file among the cells that is none: what Save writes is whole, so that something else was there since.
type DamagedError struct {
	Path string
	Err  error
}

func (e *DamagedError) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *DamagedError) Unwrap() error { return e.Err }

// Hint says what can be done.
func (e *DamagedError) Hint() string {
	return "remove " + e.Path + ": the sweep that made the cell makes it again"
}

// Load reads the cells of a folder, in order of their names; there may be none.
func Load(dir string) ([]*Cell, error) {
	paths, err := filepath.Glob(filepath.Join(dir, folder, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var cells []*Cell
	for _, path := range paths {
		c, err := read(path)
		if err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	return cells, nil
}

// Merge joins the cells of several folders of sweeps. The same cell twice counts once, if both did alike.
func Merge(dirs []string) ([]*Cell, error) {
	var all []*Cell
	from := map[string]string{}
	known := map[string]*Cell{}
	for _, dir := range dirs {
		cells, err := Load(dir)
		if err != nil {
			return nil, err
		}
		for _, c := range cells {
			name := c.Name()
			if other := known[name]; other != nil {
				if !c.alike(other) || c.Top1 != other.Top1 || c.N != other.N {
					return nil, fmt.Errorf("cell %s is another in %s than in %s: %s; %s", name, dir, from[name], c.result(), other.result())
				}
				continue
			}
			known[name], from[name] = c, dir
			all = append(all, c)
		}
	}
	return all, nil
}
