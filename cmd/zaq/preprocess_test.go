package main

import (
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"zaq"
)

func TestPreprocessFlags(t *testing.T) {
	found := zaq.Preprocessing{Scale: 1, Mean: []float64{1, 2, 3}, Std: []float64{4, 5, 6}, Color: "rgb", Size: [2]int{32, 32}}
	for _, c := range []struct {
		args []string
		want zaq.Preprocessing
	}{
		{nil, found},
		{[]string{"--mean", "0.5"}, zaq.Preprocessing{Scale: 1, Mean: []float64{0.5, 0.5, 0.5}, Std: found.Std, Color: "rgb"}},
		{[]string{"--std", "1,2,4", "--color", "bgr"}, zaq.Preprocessing{Scale: 1, Mean: found.Mean, Std: []float64{1, 2, 4}, Color: "bgr"}},
		{[]string{"--scale", "1/255"}, zaq.Preprocessing{Scale: 1. / 255, Mean: found.Mean, Std: found.Std, Color: "rgb"}},
		{[]string{"--scale", "0.5"}, zaq.Preprocessing{Scale: 0.5, Mean: found.Mean, Std: found.Std, Color: "rgb"}},
	} {
		var p preprocessFlags
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		p.addFlags(flags)
		if err := flags.Parse(c.args); err != nil {
			t.Fatal(err)
		}
		if err := p.check(); err != nil {
			t.Fatal(err)
		}
		got := found
		p.apply(&got)
		if got.Scale != c.want.Scale || got.Color != c.want.Color || got.Size != found.Size ||
			!slices.Equal(got.Mean, c.want.Mean) || !slices.Equal(got.Std, c.want.Std) {
			t.Errorf("%q: %+v, want %+v", c.args, got, c.want)
		}
	}
}

func TestPreprocessAssumed(t *testing.T) {
	assumed := zaq.Preprocessing{Scale: 1, Mean: []float64{120, 120}, Std: []float64{64, 64}, Color: "rgb", Assumed: true}
	got := assumed
	(&preprocessFlags{}).apply(&got)
	if !got.Assumed || got.Mean[0] != 120 {
		t.Errorf("no flag made %+v", got)
	}
	(&preprocessFlags{scale: 0.5}).apply(&got)
	if got.Assumed || got.Scale != 0.5 || !slices.Equal(got.Mean, []float64{0, 0}) || !slices.Equal(got.Std, []float64{1, 1}) {
		t.Errorf("--scale 0.5 made %+v", got)
	}
}

func TestFraction(t *testing.T) {
	for _, bad := range []string{"", "0", "-1", "1/0", "0/1", "a", "1/", "/2", "nan", "inf", "1/2/3"} {
		var f fraction
		if err := f.Set(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, f)
		}
	}
}
