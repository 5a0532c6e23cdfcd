package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                                nil,
		"  rtn\t--warmup  2 ":             {"rtn", "--warmup", "2"},
		`ft --data 'csv:my data/a.csv'`:   {"ft", "--data", "csv:my data/a.csv"},
		`ft --data="csv:it's here" --x`:   {"ft", "--data=csv:it's here", "--x"},
		`a '' b`:                          {"a", "", "b"},
		`ft --data csv:C:\pictures\a.csv`: {"ft", "--data", `csv:C:\pictures\a.csv`},
	} {
		got, err := splitWords(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
	if _, err := splitWords("ft --data 'csv:a"); err == nil || !strings.Contains(err.Error(), "is not closed") {
		t.Errorf("open quote: %v", err)
	}
}

// What a cell's command holds, a shell takes for the words that it was made of.
func TestQuotedWords(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh")
	}
	words := []string{"plain", "two words", "it's", `"x"`, "$HOME", "a;b", `back\slash`, "", "*"}
	out, err := exec.Command(sh, "-c", "printf '%s\\n' "+quotedWords(words)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"); !slices.Equal(got, words) {
		t.Errorf("%q, want %q", got, words)
	}
}
