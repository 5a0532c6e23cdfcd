package kernel

import (
	"strings"
	"testing"
)

func TestSelectISA(t *testing.T) {
	all := []isa{isaGo, isaAVX2, isaAVX512}
	for _, c := range []struct {
		name      string
		available []isa
		want      isa
		err       string
	}{
		{"", all, isaAVX512, ""},
		{"", all[:1], isaGo, ""},
		{"go", all, isaGo, ""},
		{"avx2", all, isaAVX2, ""},
		{"avx512", all[:2], isaAVX2, "ZAQ_KERNELS=avx512: not supported by this processor and build, which have go, avx2"},
		{"AVX2", all, isaAVX512, "ZAQ_KERNELS=AVX2"},
		{"", []isa{isaGo, isaNEON}, isaNEON, ""},
		{"neon", []isa{isaGo, isaNEON}, isaNEON, ""},
		{"avx2", []isa{isaGo, isaNEON}, isaNEON, "ZAQ_KERNELS=avx2: not supported by this processor and build, which have go, neon"},
	} {
		got, err := selectISA(c.name, c.available)
		if got != c.want {
			t.Errorf("selectISA(%q, %v) = %v, want %v", c.name, c.available, got, c.want)
		}
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("selectISA(%q, %v): error %v, want %q", c.name, c.available, err, c.err)
		}
	}
}

func TestSplitPath(t *testing.T) {
	for env, want := range map[string]struct {
		name   string
		direct bool
	}{"": {"", false}, "avx2": {"avx2", false}, "direct": {"", true}, "avx2,direct": {"avx2", true}, "go,direct": {"go", true}, "direct,go": {"direct,go", false}} {
		if name, direct := splitPath(env); name != want.name || direct != want.direct {
			t.Errorf("splitPath(%q) = %q, %v", env, name, direct)
		}
	}
}
