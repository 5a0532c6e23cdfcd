// Package kernel is the arithmetic of the training engine: float32 convolutions, matrix products and fused
// elementwise passes over NHWC images. It knows numbers only.
//
// Every kernel is a family: a portable Go loop that defines it, and assembly that equals it up to rounding
// (assembly contracts x*y+z into one rounding, the portable loops never do). One member of every family is
// chosen when the program starts and reported by Path. A call's result has the same bits on every run and
// for any distribution of calls over goroutines, per path.
package kernel

import (
	"fmt"
	"os"
	"strings"
)

// EnvPath is the environment variable that forces a kernel path by its name. With ",direct" behind the name, or
// "direct" in its place, all convolutions go by the definition.
const EnvPath = "ZAQ_KERNELS"

// isa is an instruction set that kernels are written for, in ascending order of preference.
type isa uint8

const (
	isaGo     isa = iota // portable loops
	isaAVX2              // 8 float32 lanes, 16 registers; with FMA
	isaAVX512            // 16 float32 lanes, 32 registers; F, BW, DQ and VL
	isaNEON              // 4 float32 lanes, 32 registers; arm64
)

func (i isa) String() string { return [...]string{"go", "avx2", "avx512", "neon"}[i] }

// selected is the instruction set of every kernel called through the package's API; selectErr tells why it
// is not the one the environment asks for.
var selected, selectErr = selectISA(path, supported())

// path is what the environment asks for, and direct whether it forbids Winograd's algorithm.
var path, direct = splitPath(os.Getenv(EnvPath))

const onlyDirect = "direct"

func splitPath(env string) (name string, direct bool) {
	if env == onlyDirect {
		return "", true
	}
	return strings.CutSuffix(env, ","+onlyDirect)
}

// selectISA returns the instruction set called name, or the best of those available if name is empty or
// cannot be had.
func selectISA(name string, available []isa) (isa, error) {
	best := available[len(available)-1]
	if name == "" {
		return best, nil
	}
	names := make([]string, len(available))
	for i, a := range available {
		if a.String() == name {
			return a, nil
		}
		names[i] = a.String()
	}
	return best, fmt.Errorf("%s=%s: not supported by this processor and build, which have %s", EnvPath, name, strings.Join(names, ", "))
}

// Path is the name of the kernels in use: "avx512", "avx2", "neon" or "go", with ",direct" behind it where all
// convolutions go by the definition.
func Path() string {
	if direct {
		return selected.String() + "," + onlyDirect
	}
	return selected.String()
}

// PathErr is non-nil where the environment asks for kernels that this processor or build does not have;
// Path then names the best ones it has.
func PathErr() error { return selectErr }
