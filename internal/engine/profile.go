package engine

import (
	"sort"
	"sync"
	"time"
)

// Profile collects the time of every kernel of a program. A nil Profile costs nothing.
type Profile struct {
	mu   sync.Mutex
	rows map[ProfileKey]*ProfileRow
	Wall time.Duration // of all runs
	Runs int
	// Threads are those of the program.
	Threads int
}

// ProfileKey names what a row is about.
type ProfileKey struct{ Layer, Phase, Kernel string }

// ProfileRow is the time that threads spent in a kernel, and its nominal floating-point operations.
type ProfileRow struct {
	ProfileKey
	Time  time.Duration
	Flops float64
}

// SetProfile makes the program add its times to f; nil stops it.
func (p *Program) SetProfile(f *Profile) { p.profile = f }

func (f *Profile) start() time.Time {
	if f == nil {
		return time.Time{}
	}
	return time.Now()
}

func (f *Profile) stop(s *step, start time.Time, images float64) {
	if f == nil {
		return
	}
	d := time.Since(start)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rows == nil {
		f.rows = map[ProfileKey]*ProfileRow{}
	}
	k := ProfileKey{s.layer, s.phase, s.kernel}
	r := f.rows[k]
	if r == nil {
		r = &ProfileRow{ProfileKey: k}
		f.rows[k] = r
	}
	r.Time += d
	r.Flops += s.flops * images
}

// ran adds a run that began at start.
func (f *Profile) ran(start time.Time, threads int) {
	if f != nil {
		f.Threads = threads
		f.Wall += time.Since(start)
		f.Runs++
	}
}

// Rows returns the rows merged by key, slowest first. The key maps what is not of interest to "".
func (f *Profile) Rows(key func(ProfileKey) ProfileKey) []ProfileRow {
	f.mu.Lock()
	defer f.mu.Unlock()
	merged := map[ProfileKey]*ProfileRow{}
	for _, r := range f.rows {
		k := key(r.ProfileKey)
		m := merged[k]
		if m == nil {
			m = &ProfileRow{ProfileKey: k}
			merged[k] = m
		}
		m.Time += r.Time
		m.Flops += r.Flops
	}
	rows := make([]ProfileRow, 0, len(merged))
	for _, r := range merged {
		rows = append(rows, *r)
	}
	sort.Slice(rows, func(i, j int) bool {
		if rows[i].Time != rows[j].Time {
			return rows[i].Time > rows[j].Time
		}
		return rows[i].Kernel+rows[i].Layer < rows[j].Kernel+rows[j].Layer
	})
	return rows
}

// Profiles are the profiles of the programs of a run, by name, in the order in which they were asked for. Programs that are
// compiled anew under a name share one. A nil Profiles has none, and costs nothing.
type Profiles struct {
	names    []string
	profiles map[string]*Profile
}

// Of returns the profile of a name, which is nil where p is.
func (p *Profiles) Of(name string) *Profile {
	if p == nil {
		return nil
	}
	if p.profiles[name] == nil {
		if p.profiles == nil {
			p.profiles = map[string]*Profile{}
		}
		p.names, p.profiles[name] = append(p.names, name), &Profile{}
	}
	return p.profiles[name]
}

// Names are those that were asked for.
func (p *Profiles) Names() []string { return p.names }
