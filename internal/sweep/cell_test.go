package sweep

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func sample() *Cell {
	return &Cell{
		Model: "net", SHA256: "940afe3d", Method: "zaq", Scheme: "deploy", Precision: "w4a4", Seed: 1, Data: "cifar10:d",
		Pixels: "p", Images: "i", Inputs: "c", N: 10, Top1: 9, Kernels: "avx512", Command: "zaq quantize net.onnx",
	}
}

func changed(change func(c *Cell)) *Cell {
	c := sample()
	change(c)
	return c
}

// A finished cell serves where nothing tells it from the work that is asked for. One of an earlier version says nothing of
// preprocessing and images, and serves.
func TestFind(t *testing.T) {
	for _, test := range []struct {
		name  string
		there *Cell
		want  string // the error; "" for none
	}{
		{"the same", sample(), ""},
		{"of an earlier version", changed(func(c *Cell) { c.Pixels, c.Images, c.Inputs, c.Folder = "", "", "", "" }), ""},
		{"another command", changed(func(c *Cell) { c.Command += " --limit 5" }), "another command"},
		{"another model", changed(func(c *Cell) { c.SHA256 = "11" }), "under the same names"},
		{"another preprocessing", changed(func(c *Cell) { c.Pixels = "x" }), "under the same names"},
		{"other test images", changed(func(c *Cell) { c.Images = "x" }), "under the same names"},
		{"other calibration images", changed(func(c *Cell) { c.Inputs = "x" }), "under the same names"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := Save(dir, test.there); err != nil {
				t.Fatal(err)
			}
			found, err := Find(dir, sample())
			if test.want == "" && (err != nil || found == nil) {
				t.Errorf("%v, %v", found, err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// Parts from machines with other paths are joined; those that contradict each other are not, and the error says on which
// kernels each was made.
func TestMerge(t *testing.T) {
	for _, test := range []struct {
		name   string
		second *Cell
		want   string
	}{
		{"another path", changed(func(c *Cell) { c.Command, c.Data, c.Seconds = "zaq quantize /x/net.onnx", "cifar10:/x", 3 }), ""},
		{"another result", changed(func(c *Cell) { c.Top1, c.Kernels = 8, "avx2" }), "8 of 10 right by avx2 kernels, model 940afe3d; 9 of 10 right by avx512"},
		{"another model", changed(func(c *Cell) { c.SHA256 = "11" }), "cell net_zaq_deploy_w4a4_seed1"},
		{"other images", changed(func(c *Cell) { c.Images = "x" }), "cell net_zaq_deploy_w4a4_seed1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := t.TempDir(), t.TempDir()
			for dir, c := range map[string]*Cell{a: sample(), b: test.second} {
				if err := Save(dir, c); err != nil {
					t.Fatal(err)
				}
			}
			cells, err := Merge([]string{a, b})
			if test.want == "" && (err != nil || len(cells) != 1) {
				t.Errorf("%d cells, %v", len(cells), err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// Names that are too long for a file are cut, and still tell cells apart; all others are what they were in earlier versions.
func TestLongNames(t *testing.T) {
	if got := sample().Name(); got != "net_zaq_deploy_w4a4_seed1" {
		t.Errorf("name %s", got)
	}
	dir := t.TempDir()
	known := map[string]bool{}
	for n := 190; n < 300; n++ {
		for _, path := range []string{"/", "_"} {
			c := changed(func(c *Cell) { c.Method = "ft --data cifar10:" + path + strings.Repeat("x", n) })
			name := c.Name()
			if whole := "net_ft_--data_cifar10_" + strings.Repeat("x", n) + "_deploy_w4a4_seed1"; len(whole) <= longestName && name != whole {
				t.Errorf("%d: name %s", n, name)
			} else if len(whole) > longestName && known[name] {
				t.Errorf("%d: two cells are called %s", n, name)
			}
			known[name] = true
			if err := Save(dir, c); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A part of a grid may be empty; a folder that no sweep made is another matter.
func TestMergeEmpty(t *testing.T) {
	full, empty := t.TempDir(), t.TempDir()
	if err := Save(full, sample()); err != nil {
		t.Fatal(err)
	}
	if Begun(empty) || !Begun(full) {
		t.Error("what a sweep made is not known")
	}
	if err := Begin(empty, nil); err != nil {
		t.Fatal(err)
	}
	if cells, err := Merge([]string{full, empty}); err != nil || len(cells) != 1 {
		t.Errorf("%d cells, %v", len(cells), err)
	}
}

func TestLoadDamaged(t *testing.T) {
	dir := t.TempDir()
	if err := Save(dir, sample()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, folder, "x.json")
	if err := os.WriteFile(path, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one about %s", err, path)
	}
}

// A finished cell that is damaged comes with advice: it is made again when it is gone.
func TestFindDamaged(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "half": `{"model": "net", "sha`, "of something else": "{}"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := Save(dir, sample()); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, folder, sample().Name()+".json")
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Find(dir, sample())
			if e := (*DamagedError)(nil); !errors.As(err, &e) || !strings.Contains(e.Hint(), "remove "+path) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestTables(t *testing.T) {
	cells := []*Cell{
		{Model: "net", Method: Float, N: 10, Top1: 10},
		changed(func(c *Cell) { c.Steps, c.Start, c.Seconds, c.Folder, c.Version = 800, true, 7, "/here", "v1" }),
		changed(func(c *Cell) { c.Seed, c.Steps, c.Seconds, c.Resumed, c.Seen = 2, 800, 3, true, 4 }),
	}
	var md, table bytes.Buffer
	if err := Markdown(&md, Rows(cells)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 90.00 ± 0.00, 4 images seen | 100.00 | 10.00 | 800, start kept 1 times |", "| 5+ |", "    # in /here:\n    zaq quantize net.onnx\n"} {
		if !strings.Contains(md.String(), want) {
			t.Errorf("no %q in\n%s", want, md.String())
		}
	}
	if err := CSV(&table, cells); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&table).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"float,resumed,version,top1_percent,folder,seen", "100.00,false,,100.00,,0", "100.00,false,v1,90.00,/here,0", "100.00,true,,90.00,,4",
	} {
		if got := strings.Join(lines[i][len(lines[i])-6:], ","); got != want {
			t.Errorf("line %d ends in %s, want %s", i, got, want)
		}
	}
}

// Seeds of a method that draws nothing are one, however they came together; those of an earlier version, which do not say,
// count as they did. Seeds are in order up to the largest.
func TestRowsOfSeeds(t *testing.T) {
	seed := func(seed uint64, fixed bool) *Cell {
		return changed(func(c *Cell) { c.Seed, c.Fixed, c.Command = seed, fixed, fmt.Sprint(seed) })
	}
	for _, test := range []struct {
		name    string
		cells   []*Cell
		seeds   int
		command string // of the first
	}{
		{"drawn", []*Cell{seed(2, false), seed(1, false)}, 2, "1"},
		{"fixed", []*Cell{seed(2, true), seed(1, true)}, 1, "1"},
		{"fixed, one of an earlier version", []*Cell{seed(1, false), seed(2, true)}, 1, "1"},
		{"far apart", []*Cell{seed(math.MaxUint64, false), seed(1, false)}, 2, "1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows := Rows(test.cells)
			if len(rows) != 1 || rows[0].Seeds != test.seeds || rows[0].Command != test.command {
				t.Errorf("%+v", rows)
			}
		})
	}
}
