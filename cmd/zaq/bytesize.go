package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// byteSize is a flag of so many bytes: "4GiB", "500MB", "1073741824".
type byteSize struct {
	to      *int64
	example string // of what it takes, for the error
}

var byteUnits = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}

func (b byteSize) Set(s string) error {
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if v *= u.bytes; err != nil || !(v >= 1 && v <= math.MaxInt64/2) {
			break
		}
		*b.to = int64(v)
		return nil
	}
	return errors.New("must be a size such as " + b.example)
}

func (b byteSize) String() string {
	if b.to == nil || *b.to == 0 {
		return ""
	}
	return strconv.FormatInt(*b.to, 10)
}

func (b byteSize) Type() string { return "size" }
