package main

import "strings"

// didYouMean suggests the known word that is likest to given, or says otherwise where none is near.
func didYouMean(given string, known []string, otherwise string) string {
	best, least := "", max(2, len(given)/3)+1
	for _, k := range known {
		d := distance(given, k)
		if bare := strings.TrimLeft(given, "-"); len(bare) > 1 && strings.HasPrefix(strings.TrimLeft(k, "-"), bare) {
			d = 1 // the beginning of a word is as good as one slip
		}
		if d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return otherwise
	}
	return "did you mean " + best + "?"
}

// distance is the number of insertions, deletions and substitutions that make b of a (Levenshtein 1966).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
