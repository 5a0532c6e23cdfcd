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
	mean, std []float64
	scale     fraction
	color     string
	resize    string
	size      imageSize
	describe  string
}

const preprocessUsage = `
Preprocessing, where neither MODEL.json nor the file tells or to overrule them; value = (pixel*scale - mean) / std:
        --description FILE  a JSON file to read in place of MODEL.json
        --mean A,B,C        one for each channel, or one for all
        --std A,B,C         likewise
        --scale X           such as 1/255
        --color C           rgb, bgr or gray
        --resize R          how images of another size become the network's: stretch, both sides on their own, or crop,
                            the middle of the image whose short side is 8/7 of it (256 for 224); none unless told
        --input-size HxW    height and width of the network's images, where the file leaves them open
`

func (p *preprocessFlags) addFlags(flags *pflag.FlagSet) {
	flags.Float64SliceVar(&p.mean, "mean", nil, "")
	flags.Float64SliceVar(&p.std, "std", nil, "")
	flags.Var(&p.scale, "scale", "")
	flags.StringVar(&p.color, "color", "", "")
	flags.StringVar(&p.resize, "resize", "", "")
	flags.Var(&p.size, "input-size", "")
	flags.StringVar(&p.describe, "description", "", "")
}

func (p *preprocessFlags) check() error {
	for _, s := range p.std {
		if !(s > 0) {
			return usageErrorf("--std %v: must be above 0", s)
		}
	}
	switch p.color {
	case "", "rgb", "bgr", "gray":
	default:
		return usageErrorf("--color %q: rgb, bgr or gray", p.color)
	}
	switch p.resize {
	case "", "stretch", "crop":
		return nil
	}
	return usageErrorf("--resize %q: stretch or crop", p.resize)
}

// String returns the flags that were given as they are written on a command line, each with a space before it.
func (p *preprocessFlags) String() string {
	var b strings.Builder
	add := func(flag, value string) {
		if value != "" {
			b.WriteString(" --" + flag + " " + quoted(value))
		}
	}
	list := func(values []float64) string {
		var words []string
		for _, v := range values {
			words = append(words, fmt.Sprint(v))
		}
		return strings.Join(words, ",")
	}
	add("description", p.describe)
	add("mean", list(p.mean))
	add("std", list(p.std))
	if p.scale != 0 {
		add("scale", p.scale.String())
	}
	add("color", p.color)
	add("resize", p.resize)
	if p.size != (imageSize{}) {
		add("input-size", p.size.String())
	}
	return b.String()
}

// apply changes what the flags name. One value for all channels is repeated for as many as there are. Where all
// was assumed, nothing of the assumption is left beside a flag.
func (p *preprocessFlags) apply(to *zaq.Preprocessing) {
	if p.resize != "" {
		to.Resize = p.resize
	}
	if p.mean == nil && p.std == nil && p.scale == 0 && p.color == "" {
		return
	}
	channels := max(len(to.Mean), len(to.Std))
	if to.Assumed {
		to.Assumed, to.Scale = false, 1
		to.Mean, to.Std = repeat([]float64{0}, channels), repeat([]float64{1}, channels)
	}
	if p.mean != nil {
		to.Mean = repeat(p.mean, channels)
	}
	if p.std != nil {
		to.Std = repeat(p.std, channels)
	}
	if p.scale != 0 {
		to.Scale = float64(p.scale)
	}
	if p.color != "" {
		to.Color = p.color
	}
}

func repeat(v []float64, n int) []float64 {
	if len(v) != 1 {
		return v
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = v[0]
	}
	return out
}

// imageSize is a height and a width, written 240x320.
type imageSize [2]int

func (s *imageSize) Set(text string) error {
	height, width, _ := strings.Cut(text, "x")
	for i, side := range []string{height, width} {
		v, err := strconv.Atoi(side)
		if err != nil || v < 1 || v > 1<<16 {
			return fmt.Errorf("must be a height and a width, such as 240x320")
		}
		s[i] = v
	}
	return nil
}

func (s *imageSize) String() string { return fmt.Sprintf("%dx%d", s[0], s[1]) }
func (s *imageSize) Type() string   { return "size" }

// fraction is a positive number, written as a decimal or as a/b.
type fraction float64

func (f *fraction) Set(s string) error {
	over, under, divided := strings.Cut(s, "/")
	a, err := strconv.ParseFloat(over, 64)
	b := 1.0
	if err == nil && divided {
		b, err = strconv.ParseFloat(under, 64)
	}
	if v := a / b; err != nil || !(v > 0 && v < 1e30) {
		return fmt.Errorf("must be a positive number or a fraction such as 1/255")
	}
	*f = fraction(a / b)
	return nil
}

func (f *fraction) String() string { return fmt.Sprint(float64(*f)) }
func (f *fraction) Type() string   { return "number" }
