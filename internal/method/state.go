package method

import (
	"fmt"
	"slices"

	"zaq/internal/checkpoint"
	"zaq/internal/engine"
)

// What training state looks like in a checkpoint: one section for each array, named after its owner.

func putParams(s *checkpoint.State, owner string, params []*engine.Param) {
	for i, p := range params {
		checkpoint.Put(s, fmt.Sprintf("%s parameter %d %s", owner, i, p.Name), p.Data)
	}
}

func fillParams(s *checkpoint.State, owner string, params []*engine.Param) error {
	for i, p := range params {
		if err := checkpoint.Fill(s, fmt.Sprintf("%s parameter %d %s", owner, i, p.Name), p.Data); err != nil {
			return err
		}
		p.Changed()
	}
	return nil
}

// valuesOf returns a copy of what parameters hold.
func valuesOf(params []*engine.Param) (values [][]float32) {
	for _, p := range params {
		values = append(values, slices.Clone(p.Data))
	}
	return values
}

// setValues is the way back.
func setValues(params []*engine.Param, values [][]float32) {
	for i, p := range params {
		copy(p.Data, values[i])
		p.Changed()
	}
}

func putArrays(s *checkpoint.State, what string, arrays [][]float32) {
	for i, a := range arrays {
		checkpoint.Put(s, fmt.Sprintf("%s %d", what, i), a)
	}
}

func fillArrays(s *checkpoint.State, what string, arrays [][]float32) error {
	for i, a := range arrays {
		if err := checkpoint.Fill(s, fmt.Sprintf("%s %d", what, i), a); err != nil {
			return err
		}
	}
	return nil
}

func putAdam(s *checkpoint.State, owner string, o *engine.Adam) {
	checkpoint.Put(s, owner+" adam steps", o.Steps)
	putArrays(s, owner+" adam m", o.M)
	putArrays(s, owner+" adam v", o.V)
}

func fillAdam(s *checkpoint.State, owner string, o *engine.Adam) (err error) {
	if o.Steps, err = checkpoint.Get[int](s, owner+" adam steps"); err != nil {
		return err
	}
	if err := fillArrays(s, owner+" adam m", o.M); err != nil {
		return err
	}
	return fillArrays(s, owner+" adam v", o.V)
}

func (r *ranges) save(s *checkpoint.State) {
	checkpoint.Put(s, "ranges seen", r.seen)
	checkpoint.Put(s, "ranges low", r.lo)
	checkpoint.Put(s, "ranges high", r.hi)
}

func (r *ranges) load(s *checkpoint.State) (err error) {
	if r.seen, err = checkpoint.Get[int](s, "ranges seen"); err != nil {
		return err
	}
	if err := checkpoint.Fill(s, "ranges low", r.lo); err != nil {
		return err
	}
	if err := checkpoint.Fill(s, "ranges high", r.hi); err != nil {
		return err
	}
	if r.seen > 0 {
		r.apply()
	}
	return nil
}
