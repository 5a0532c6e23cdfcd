package main

import (
	"regexp"
	"strings"
	"unicode"
)

// splitWords splits a line at its spaces, except those inside single or double quotes. A backslash is like any other
// character, so that paths of Windows stay whole.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune // that is open
	inWord := false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inWord = r, true
		case quote == 0 && unicode.IsSpace(r):
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, usageErrorf("%s: the quote %c is not closed", line, quote)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=,+@%-]+$`)

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func quotedWords(words []string) string {
	var list []string
	for _, w := range words {
		list = append(list, quoted(w))
	}
	return strings.Join(list, " ")
}
