// Package report is what a person looks at: tables, progress and logs on a terminal. It is given results and
// computes none.
package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table is rows of text under a header. Columns are as wide as their widest cell.
type Table struct {
	header []string
	right  []bool
	rows   [][]string
}

// NewTable starts a table. A column whose title begins with ">" is aligned to the right, as numbers are.
func NewTable(columns ...string) *Table {
	t := &Table{}
	for _, c := range columns {
		title, right := strings.CutPrefix(c, ">")
		t.header = append(t.header, title)
		t.right = append(t.right, right)
	}
	return t
}

// Row adds a row with one cell for each column.
func (t *Table) Row(cells ...any) {
	row := make([]string, len(t.header))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.rows = append(t.rows, row)
}

// WriteTo writes the table, or nothing where it has no rows.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	if len(t.rows) == 0 {
		return 0, nil
	}
	lines := append([][]string{t.header}, t.rows...)
	width := make([]int, len(t.header))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		var l strings.Builder
		for i, cell := range line {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if t.right[i] {
				l.WriteString(pad + cell)
			} else {
				l.WriteString(cell + pad)
			}
			l.WriteString("  ")
		}
		b.WriteString(strings.TrimRight(l.String(), " "))
		b.WriteByte('\n')
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// Count writes n with a comma between thousands.
func Count[T ~int | ~int64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Size writes a number of bytes for people: "1.1 MB".
func Size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// Bits writes a bit width; 32 is a float's.
func Bits(n int) string {
	if n == 32 {
		return "float"
	}
	return fmt.Sprint(n)
}
