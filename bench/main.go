// Bench measures zaq's training steps against the same steps in PyTorch, alternately in one run, and prints a table
// of the ratios:
//
//	go run ./bench [-only REGEXP] [-n ROUNDS] [-threads N] [-python PATH] [-skip]
//
// PyTorch runs in a process of its own, eagerly, and answers requests (peer/peer.py). Before a work is measured both
// memory layouts are tried, and the faster is taken. In each round first one side takes some steps, then the other; of
// all steps of all rounds the best and the median are reported. A machine that is shared spoils medians first. Peak memory
// is that of fresh processes.
//
// Without PyTorch the exit status is 1, or, with -skip, zaq alone is measured.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"

	"zaq/internal/kernel"
)

type options struct {
	only    *regexp.Regexp
	rounds  int
	threads int
	python  string
	skip    bool
	list    bool
	memory  string
}

func main() {
	var o options
	only := flag.String("only", "", "measure the works whose name matches")
	flag.IntVar(&o.rounds, "n", 5, "rounds")
	flag.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "of both sides")
	flag.StringVar(&o.python, "python", "", "a Python with PyTorch")
	flag.BoolVar(&o.skip, "skip", false, "measure zaq alone where there is no PyTorch")
	flag.BoolVar(&o.list, "list", false, "print the names of the works")
	flag.StringVar(&o.memory, "memory", "", "print the peak memory of zaq's side of this work alone, in bytes")
	flag.Parse()
	var err error
	if o.only, err = regexp.Compile(*only); err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) (err error) {
	if err := kernel.PathErr(); err != nil {
		return err
	}
	if o.list {
		for _, w := range works() {
			fmt.Println(w.name)
		}
		return nil
	}
	runtime.GOMAXPROCS(o.threads)
	if o.memory != "" {
		return printMemory(o.memory, o.threads)
	}
	python, err := findPython(o.python)
	if err != nil && !o.skip {
		return err
	}
	var peer *torch
	if err == nil {
		if peer, err = startTorch(python, o.threads, peerEnv); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, peer.stop()) }()
	}
	describe(os.Stdout, o, peer)
	t := newTable(os.Stdout)
	var results []*result
	for _, w := range works() {
		if !o.only.MatchString(w.name) {
			continue
		}
		r, err := measure(w, peer, o)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if w.memory {
			if r.memory[0], r.memory[1], err = peakMemory(w, python, r.layout, o); err != nil {
				return err
			}
		}
		t.row(r)
		results = append(results, r)
	}
	t.means(results)
	t.memory(results)
	return nil
}
