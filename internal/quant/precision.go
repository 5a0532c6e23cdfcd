package quant

import (
	"fmt"
	"strings"
)

// Precision is a pair of bit widths: W for weights, A for activations.
type Precision struct{ W, A int }

// ParsePrecision reads the form that papers write, such as "w4a4" or "W8A8". Both widths are 2 to 8.
func ParsePrecision(s string) (Precision, error) {
	t := strings.ToLower(s)
	if len(t) != 4 || t[0] != 'w' || t[2] != 'a' || !isBits(t[1]) || !isBits(t[3]) {
		return Precision{}, fmt.Errorf("precision %q: want w2 to w8 and a2 to a8, such as w4a8", s)
	}
	return Precision{W: int(t[1] - '0'), A: int(t[3] - '0')}, nil
}

func isBits(c byte) bool { return c >= '0'+MinBits && c <= '0'+MaxBits }

// String returns the form that ParsePrecision reads.
func (p Precision) String() string { return fmt.Sprintf("w%da%d", p.W, p.A) }
