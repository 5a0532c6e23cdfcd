// Package intkernel is the arithmetic of integer inference: convolutions of 8-bit images with 8-bit weights into
// int32 sums, and the passes that make 8-bit integers of sums. It knows numbers only.
//
// Images are bytes without sign, [height, width, channels] with a border, see [Map]; tensors of int8 are stored
// with 128 added, which changes their zero point and nothing else. Weights are integers less their zero point,
// within ±255.
//
// Every kernel is a family: a portable Go loop that defines it, and assembly that equals it bit for bit: integers
// have one sum, and the few float32 operations (a product, a fused multiply-add, a rounding) are IEEE's on every
// path. One member of every family is chosen when the program starts, by the path that package kernel chose for
// the training engine.
package intkernel

import "zaq/internal/kernel"

// family is one implementation of the loops: portable Go, or assembly for an instruction set. Each field is
// documented by its portable loop.
type family struct {
	name    string
	lanes   int    // the int32 of a vector
	pixels  [5]int // the largest tile of 1, 2 and 4 vectors of channels; 0: there is none
	limit   int    // the multiplier takes weights from -limit to limit (and -128 where that is 127) exactly
	signed  bool   // it takes bytes with sign: those of images less 128
	fused   bool   // tiles can requantize their sums themselves
	chunks  []int  // channels of a depthwise tile, the largest first
	tile    func(t *tile)
	channel func(t *channelTile)

	requantize      func(dst []uint8, sums []int32, r *Requant, n int) int
	requantizeFixed func(dst []uint8, sums []int32, r *Requant, n int) int
	add             func(dst, a, b []uint8, k *AddParams) int
	addFixed        func(dst, a, b []uint8, k *AddParams) int
	lookup          func(dst, x []uint8, table *[256]uint8) int
	quantize        func(dst []uint8, x0, x1, x2, x3 *float32, k *QuantizeParams, n int) int
	maximum         func(dst, a, b []uint8) int
}

var portable = family{
	name: "go", lanes: 4, pixels: [5]int{1: 4, 2: 2, 4: 1}, limit: 127, chunks: []int{16},
	tile: (*tile).runGo, channel: (*channelTile).runGo,
	requantize:      func([]uint8, []int32, *Requant, int) int { return 0 },
	requantizeFixed: func([]uint8, []int32, *Requant, int) int { return 0 },
	add:             func(_, _, _ []uint8, _ *AddParams) int { return 0 },
	addFixed:        func(_, _, _ []uint8, _ *AddParams) int { return 0 },
	lookup:          func(_, _ []uint8, _ *[256]uint8) int { return 0 },
	quantize:        func([]uint8, *float32, *float32, *float32, *float32, *QuantizeParams, int) int { return 0 },
	maximum:         func(_, _, _ []uint8) int { return 0 },
}

// impl is the family in use, chosen once at start.
var impl *family

func init() { impl = choose(kernel.Path(), families()) }

// choose returns the best family for a path of package kernel: one of that name or, where this machine has none, one for less.
func choose(path string, available []*family) *family {
	best := &portable
	for _, f := range available {
		if f.name == path || best.name != path && path != portable.name {
			best = f
		}
	}
	return best
}

// Path is the name of the kernels in use: "avx512", "avx2", "neon" or "go".
func Path() string { return impl.name }

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func roundUp(a, b int) int { return ceilDiv(a, b) * b }
