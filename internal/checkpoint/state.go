// Package checkpoint keeps the state of a run on disk, so that a run that was stopped goes on to the same
// result; and it writes files so that none is ever seen half written.
//
// A checkpoint is a list of named sections and the fingerprint of the configuration that made it. A file
// that is damaged, foreign or made by another configuration is refused with an [*Error], which says what
// is wrong and what to do.
package checkpoint

import (
	"errors"
	"fmt"
	"strings"
)

// State is what a run needs to go on: named sections in the order they were put.
type State struct {
	// Fingerprint is the configuration of the run, as [Fingerprint] makes it.
	Fingerprint string

	sections []section
}

// section is a named value of one of the Value types.
type section struct {
	name  string
	value any
}

// Value is a type that a section can have.
type Value interface {
	[]float32 | []float64 | float64 | []uint64 | uint64 | []int | int | string | []byte
}

// Put adds a section. The state keeps slices, not copies of them: save it before they change. Names are
// unique; [Save] refuses a state where one was put twice.
func Put[T Value](s *State, name string, value T) {
	s.sections = append(s.sections, section{name, value})
}

// Get returns a section. It is an error if there is none of that name or its type is another.
func Get[T Value](s *State, name string) (T, error) { return get[T](s, name) }

// Fill copies a section into dst, which must have its length: how parameters are restored in place.
func Fill[E float32 | float64 | uint64 | int | byte](s *State, name string, dst []E) error {
	src, err := get[[]E](s, name)
	if err != nil {
		return err
	}
	if len(src) != len(dst) {
		return fmt.Errorf("checkpoint section %q has %d values, want %d", name, len(src), len(dst))
	}
	copy(dst, src)
	return nil
}

func get[T any](s *State, name string) (T, error) {
	var none T
	for _, section := range s.sections {
		if section.name == name {
			value, ok := section.value.(T)
			if !ok {
				return none, fmt.Errorf("checkpoint section %q holds %T, not %T", name, section.value, none)
			}
			return value, nil
		}
	}
	return none, fmt.Errorf("checkpoint has no section %q", name)
}

// Names returns the names of the sections in their order.
func (s *State) Names() []string {
	names := make([]string, len(s.sections))
	for i, section := range s.sections {
		names[i] = section.name
	}
	return names
}

// Fingerprint joins settings of the form "key=value" into a State's fingerprint. A key must not repeat.
func Fingerprint(settings ...string) string { return strings.Join(settings, "\n") }

// difference says how the configuration of the checkpoint differs from that of this run, naming the first
// key that does; it is nil where they are the same.
func difference(checkpoint, run string) error {
	if checkpoint == run {
		return nil
	}
	was, is := parseFingerprint(checkpoint), parseFingerprint(run)
	for _, setting := range is {
		old, ok := was.lookup(setting.key)
		switch {
		case !ok:
			return fmt.Errorf("it was made without %s, this run has %s=%s", setting.key, setting.key, setting.value)
		case old != setting.value:
			return fmt.Errorf("it was made with %s=%s, this run has %s=%s", setting.key, old, setting.key, setting.value)
		}
	}
	for _, setting := range was {
		if _, ok := is.lookup(setting.key); !ok {
			return fmt.Errorf("it was made with %s=%s, this run has no %s", setting.key, setting.value, setting.key)
		}
	}
	return errors.New("it was made with the same settings in another order")
}

type setting struct{ key, value string }
type settings []setting

func parseFingerprint(text string) settings {
	var list settings
	for line := range strings.SplitSeq(text, "\n") {
		if key, value, _ := strings.Cut(line, "="); line != "" {
			list = append(list, setting{key, value})
		}
	}
	return list
}

func (list settings) lookup(key string) (string, bool) {
	for _, setting := range list {
		if setting.key == key {
			return setting.value, true
		}
	}
	return "", false
}
