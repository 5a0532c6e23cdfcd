package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"zaq/internal/memory"
)

// memorySteps are taken before the peak is read.
const memorySteps = 3

// peakMemory compares by how much the peak memory of a process exceeds that before the first step of a work: each
// side in a fresh one, PyTorch in the given layout. Without PyTorch torch is 0.
func peakMemory(w work, python, layout string, o options) (zaq, torch int64, err error) {
	if zaq, err = zaqMemory(w, o); err != nil || python == "" {
		return zaq, 0, err
	}
	// As it is out of the box: an allocator that gives nothing back would count against it.
	peer, err := startTorch(python, o.threads, peerEnv[:1])
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, peer.stop()) }()
	if err := peer.open(w, layout); err != nil {
		return 0, 0, err
	}
	before, err := peer.memory()
	if err != nil {
		return 0, 0, err
	}
	if _, err := peer.run(layout, memorySteps); err != nil {
		return 0, 0, err
	}
	after, err := peer.memory()
	return zaq, after.Peak - before.RSS, err
}

// zaqMemory runs this program again for the one work.
func zaqMemory(w work, o options) (bytes int64, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, "-memory", w.name, "-threads", fmt.Sprint(o.threads))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("memory of %s: %w", w.name, err)
	}
	return bytes, json.Unmarshal(out, &bytes)
}

// printMemory is what that run does.
func printMemory(name string, threads int) error {
	for _, w := range works() {
		if w.name != name {
			continue
		}
		s, err := w.zaq(threads)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(memory.Of(memorySteps-1, s.step).Peak)
	}
	return fmt.Errorf("no work is called %q", name)
}
