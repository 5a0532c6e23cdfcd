package main

import "testing"

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1, "1073741824": 1 << 30, "4GiB": 4 << 30, "1.5 MiB": 3 << 19, "2KiB": 2048, "500MB": 500_000_000, "3kB": 3000, "7B": 7, "1TiB": 1 << 40,
	} {
		var got int64
		if err := (byteSize{to: &got}).Set(text); err != nil || got != want {
			t.Errorf("%q is %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "0", "-1GiB", "4 gb", "1e99GiB", "NaN", "Inf", "4G"} {
		var got int64
		if err := (byteSize{to: &got}).Set(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}
