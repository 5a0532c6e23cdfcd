package main

import (
	"strings"
	"testing"
)

// The events are those of a package with a passing, a skipping and a failing test, shortened.
const events = `
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"    p_test.go:5: chatter\n"}
{"Action":"pass","Package":"p","Test":"TestGood"}
{"Action":"output","Package":"p","Test":"TestAway","Output":"=== RUN   TestAway\n"}
{"Action":"output","Package":"p","Test":"TestAway","Output":"    p_test.go:9: no oracle: make oracles installs it\n"}
{"Action":"output","Package":"p","Test":"TestAway","Output":"--- SKIP: TestAway (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestAway"}
`

func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		name, more string
		failed     bool
		want       []string
	}{
		{
			name: "skip",
			more: `{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}`,
			want: []string{"ok  \tp\t0.1s\n", "1 tests and subtests passed, 1 skipped\n",
				"skipped: p TestAway: no oracle: make oracles installs it\n"},
		}, {
			name: "failure",
			more: `{"Action":"output","Package":"p","Test":"TestBad","Output":"    p_test.go:7: got 1\n"}
{"Action":"fail","Package":"p","Test":"TestBad"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}`,
			failed: true,
			want:   []string{"p_test.go:7: got 1\n", "FAIL\tp\t0.1s\n"},
		}, {
			name:   "crash",
			more:   `{"Action":"output","Package":"p","Test":"TestCrash","Output":"panic: oh\n"}`,
			failed: true,
			want:   []string{"p TestCrash did not finish\npanic: oh\n"},
		}, {
			name: "build",
			more: `{"Action":"build-output","ImportPath":"p","Output":"p.go:1: syntax error\n"}
{"Action":"build-fail","ImportPath":"p"}`,
			failed: true,
			want:   []string{"p.go:1: syntax error\n"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			failed, skipped, err := summarize(strings.NewReader(strings.TrimSpace(events)+"\n"+c.more), &out)
			if err != nil {
				t.Fatal(err)
			}
			if skipped != 1 {
				t.Errorf("%d skipped, want 1", skipped)
			}
			if failed != c.failed {
				t.Errorf("failed = %v, want %v", failed, c.failed)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output lacks %q:\n%s", want, out.String())
				}
			}
			if strings.Contains(out.String(), "chatter") {
				t.Errorf("output of a passed test is shown:\n%s", out.String())
			}
		})
	}
}
