package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"zaq"
)

// preprocessFlags override what is known of a model's input.
type preprocessFlags struct {
	mean, std []float32
	scale     fraction
	color     string
}

const preprocessUsage = `
Preprocessing, where neither MODEL.json nor the file tells or to overrule them; value = (pixel*scale - mean) / std:
        --mean A,B,C        one for each channel, or one for all
        --std A,B,C         likewise
        --scale X           such as 1/255
        --color C           rgb, bgr or gray
`

func (p *preprocessFlags) addFlags(flags *pflag.FlagSet) {
	flags.Float32SliceVar(&p.mean, "mean", nil, "")
	flags.Float32SliceVar(&p.std, "std", nil, "")
	flags.Var(&p.scale, "scale", "")
	flags.StringVar(&p.color, "color", "", "")
}

func (p *preprocessFlags) check() error {
	for _, s := range p.std {
		if !(s > 0) {
			return usageErrorf("--std %v: must be above 0", s)
		}
	}
	switch p.color {
	case "", "rgb", "bgr", "gray":
		return nil
	}
	return usageErrorf("--color %q: rgb, bgr or gray", p.color)
}

// apply changes what the flags name. One value for all channels is repeated for as many as there are.
func (p *preprocessFlags) apply(to *zaq.Preprocessing) {
	channels := max(len(to.Mean), len(to.Std), len(p.mean), len(p.std))
	if p.mean != nil {
		to.Mean = repeat(p.mean, channels)
	}
	if p.std != nil {
		to.Std = repeat(p.std, channels)
	}
	if p.scale != 0 {
		to.Scale = float32(p.scale)
	}
	if p.color != "" {
		to.Color = p.color
	}
}

func repeat(v []float32, n int) []float32 {
	if len(v) != 1 {
		return v
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = v[0]
	}
	return out
}

// fraction is a positive number, written as a decimal or as a/b.
type fraction float32

func (f *fraction) Set(s string) error {
	over, under, divided := strings.Cut(s, "/")
	a, err := strconv.ParseFloat(over, 32)
	b := 1.0
	if err == nil && divided {
		b, err = strconv.ParseFloat(under, 32)
	}
	if v := a / b; err != nil || !(v > 0 && v < 1e30) {
		return fmt.Errorf("must be a positive number or a fraction such as 1/255")
	}
	*f = fraction(a / b)
	return nil
}

func (f *fraction) String() string { return fmt.Sprint(float32(*f)) }
func (f *fraction) Type() string   { return "number" }
