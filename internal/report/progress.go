package report

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"zaq"
)

// Progress shows how far a run is. The value returned by NewProgress is for one run and one goroutine.
type Progress interface {
	Update(zaq.Progress)
	Done() // ends the display, however the run ended
}

// NewProgress returns a bar with the time left where w is a terminal and bars are wanted, and otherwise a log
// record now and then.
func NewProgress(w io.Writer, log *slog.Logger, bar bool) Progress {
	if f, ok := w.(*os.File); ok && bar && term.IsTerminal(int(f.Fd())) {
		return &bars{w: w}
	}
	return &lines{log: log, now: time.Now}
}

// bars draws one bar for each phase.
type bars struct {
	w     io.Writer
	phase string
	bar   *progressbar.ProgressBar
}

func (b *bars) Update(p zaq.Progress) {
	if b.bar == nil || p.Phase != b.phase {
		b.Done()
		b.phase = p.Phase
		b.bar = progressbar.NewOptions(p.Total,
			progressbar.OptionSetWriter(b.w),
			progressbar.OptionSetWidth(24),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionOnCompletion(func() { fmt.Fprintln(b.w) }),
		)
	}
	b.bar.Describe(strings.TrimSpace(p.Phase + "  " + metrics(p.Metrics)))
	_ = b.bar.Set(p.Step) // fails past the total, which is no reason to stop a run
}

func (b *bars) Done() {
	if b.bar != nil && !b.bar.IsFinished() {
		_ = b.bar.Exit()
		fmt.Fprintln(b.w)
	}
	b.bar = nil
}

// A log that grows by a line each interval tells enough and fills no disk.
const interval = 10 * time.Second

// lines logs the first step of a phase, its last, and between them one each interval or, in a phase that
// takes less than ten of those, one each tenth; never more than one a second.
type lines struct {
	log   *slog.Logger
	now   func() time.Time
	phase string
	start time.Time
	first int // step at which this process began: a resumed run did not start at 0
	last  time.Time
	tenth int
}

func (l *lines) Update(p zaq.Progress) {
	now := l.now()
	begins := p.Phase != l.phase
	if begins {
		l.phase, l.start, l.first, l.tenth = p.Phase, now, p.Step, 0
	}
	tenth := 0
	if p.Total > 0 {
		tenth = 10 * p.Step / p.Total
	}
	ends := p.Step == p.Total
	if !begins && !ends && now.Sub(l.last) < interval && (tenth == l.tenth || now.Sub(l.last) < time.Second) {
		return
	}
	l.last, l.tenth = now, tenth

	attrs := []any{"step", p.Step, "of", p.Total}
	for _, m := range p.Metrics {
		attrs = append(attrs, m.Name, m.Value)
	}
	if done := p.Step - l.first; done > 0 && !ends {
		left := now.Sub(l.start) / time.Duration(done) * time.Duration(p.Total-p.Step)
		attrs = append(attrs, "left", left.Round(time.Second))
	}
	l.log.Info(p.Phase, attrs...)
}

func (l *lines) Done() {}

func metrics(ms []zaq.Metric) string {
	var b strings.Builder
	for _, m := range ms {
		fmt.Fprintf(&b, "%s %.4g  ", m.Name, m.Value)
	}
	return b.String()
}
