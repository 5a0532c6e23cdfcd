package sweep

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"zaq/internal/checkpoint"
	"zaq/internal/metric"
)

// Row are the cells of a way to quantize a model, over seeds.
type Row struct {
	Model     string  `json:"model"`
	Scheme    string  `json:"scheme"`
	Precision string  `json:"precision"`
	Method    string  `json:"method"`
	Seeds     int     `json:"seeds"`
	Mean      float64 `json:"mean"`           // top-1 in percent
	Deviation float64 `json:"deviation"`      // over seeds; 0 for one
	Float     float64 `json:"float"`          // of the model as it is; 0 where that was not measured
	Seen      int     `json:"seen,omitempty"` // stray test images that the method saw, at most
	Steps     int     `json:"steps"`
	Starts    int     `json:"starts_kept,omitempty"` // seeds of which no step was of use
	Bytes     int64   `json:"bytes"`
	Seconds   float64 `json:"seconds"`           // of a cell, on average
	Resumed   bool    `json:"resumed,omitempty"` // some: seconds leave out what came before
	Command   string  `json:"command"`           // of the first seed
	Folder    string  `json:"folder,omitempty"`
}

// Rows sums cells up, in the order in which their ways appear.
func Rows(cells []*Cell) []Row {
	float := map[string]float64{}
	groups := map[string][]*Cell{}
	var order []string
	for _, c := range cells {
		if c.Method == Float {
			float[c.Model] = c.Accuracy()
			continue
		}
		key := strings.Join([]string{c.Model, c.Scheme, c.Precision, c.Method}, "\x00")
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], c)
	}
	var rows []Row
	for _, key := range order {
		group := groups[key]
		slices.SortFunc(group, func(a, b *Cell) int { return cmp.Compare(a.Seed, b.Seed) })
		first := group[0]
		if slices.ContainsFunc(group, func(c *Cell) bool { return c.Fixed }) {
			group = group[:1] // the others are the same once more, and no sample of anything
		}
		r := Row{
			Model: first.Model, Scheme: first.Scheme, Precision: first.Precision, Method: first.Method, Seeds: len(group),
			Float: float[first.Model], Steps: first.Steps, Bytes: first.Bytes, Command: first.Command, Folder: first.Folder,
		}
		var accuracies []float64
		for _, c := range group {
			accuracies = append(accuracies, c.Accuracy())
			r.Seconds += c.Seconds / float64(len(group))
			r.Resumed = r.Resumed || c.Resumed
			r.Seen = max(r.Seen, c.Seen)
			if c.Start {
				r.Starts++
			}
		}
		r.Mean, r.Deviation = metric.MeanStd(accuracies)
		if len(group) == 1 {
			r.Deviation = 0
		}
		rows = append(rows, r)
	}
	return rows
}

// accuracy writes a mean with its deviation, and what speaks against it.
func (r *Row) accuracy() string {
	text := fmt.Sprintf("%.2f", r.Mean)
	if r.Seeds > 1 {
		text += fmt.Sprintf(" ± %.2f", r.Deviation)
	}
	if r.Seen > 0 {
		text += fmt.Sprintf(", %d images seen", r.Seen)
	}
	return text
}

// steps writes how often Q was updated, and where that was for nothing.
func (r *Row) steps() string {
	switch {
	case r.Starts == 0:
		return fmt.Sprint(r.Steps)
	case r.Seeds == 1:
		return fmt.Sprintf("%d, start kept", r.Steps)
	}
	return fmt.Sprintf("%d, start kept %d times", r.Steps, r.Starts)
}

// seconds writes what a cell took, at least, where one was stopped and resumed.
func (r *Row) seconds() string {
	if r.Resumed {
		return fmt.Sprintf("%.0f+", r.Seconds)
	}
	return fmt.Sprintf("%.0f", r.Seconds)
}

// Markdown writes the table and, below it, the command behind each row.
func Markdown(w io.Writer, rows []Row) error {
	var b strings.Builder
	b.WriteString("| model | scheme | precision | method | seeds | top-1 % | float | less | steps of Q | size | s a cell |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		float, less := "", ""
		if r.Float > 0 {
			float, less = fmt.Sprintf("%.2f", r.Float), fmt.Sprintf("%.2f", r.Float-r.Mean)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %d | %s | %s | %s | %s | %.1f kB | %s |\n",
			r.Model, r.Scheme, r.Precision, strings.ReplaceAll(r.Method, "|", "\\|"), r.Seeds, r.accuracy(), float, less, r.steps(), float64(r.Bytes)/1000, r.seconds())
	}
	b.WriteString("\nThe commands of each row's first seed; other seeds differ in --seed alone.\n\n")
	folder := ""
	for _, r := range rows {
		if r.Folder != folder && r.Folder != "" {
			fmt.Fprintf(&b, "    # in %s:\n", r.Folder)
			folder = r.Folder
		}
		fmt.Fprintf(&b, "    %s\n", r.Command)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// CSV writes a line for each cell: top1 counts images, top1_percent and float are percentages.
func CSV(w io.Writer, cells []*Cell) error {
	c := csv.NewWriter(w)
	lines := [][]string{{"model", "scheme", "precision", "method", "seed", "top1", "n", "agreement", "steps", "start_kept", "bytes", "seconds", "kernels", "data", "command", "float", "resumed", "version", "top1_percent", "folder", "seen"}}
	float := map[string]string{} // in percent, as in the other tables; "" where it was not measured
	for _, x := range cells {
		if x.Method == Float {
			float[x.Model] = fmt.Sprintf("%.2f", x.Accuracy())
		}
	}
	for _, x := range cells {
		lines = append(lines, []string{
			x.Model, x.Scheme, x.Precision, x.Method, fmt.Sprint(x.Seed), fmt.Sprint(x.Top1), fmt.Sprint(x.N), fmt.Sprint(x.Agreement),
			fmt.Sprint(x.Steps), fmt.Sprint(x.Start), fmt.Sprint(x.Bytes), fmt.Sprintf("%.1f", x.Seconds), x.Kernels, x.Data, x.Command, float[x.Model], fmt.Sprint(x.Resumed), x.Version,
			fmt.Sprintf("%.2f", x.Accuracy()), x.Folder, fmt.Sprint(x.Seen),
		})
	}
	return c.WriteAll(lines)
}

// Write puts results.md, results.csv and results.json into a folder.
func Write(dir string, cells []*Cell) error {
	rows := Rows(cells)
	for name, write := range map[string]func(w io.Writer) error{
		"results.md":  func(w io.Writer) error { return Markdown(w, rows) },
		"results.csv": func(w io.Writer) error { return CSV(w, cells) },
		"results.json": func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			e.SetEscapeHTML(false)
			return e.Encode(struct {
				Rows  []Row   `json:"rows"`
				Cells []*Cell `json:"cells"`
			}{rows, cells})
		},
	} {
		if err := checkpoint.WriteFileAtomic(filepath.Join(dir, name), 0o644, write); err != nil {
			return err
		}
	}
	return nil
}
