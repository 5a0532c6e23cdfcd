// Package random gives random numbers that are a pure function of what they are for.
//
// A Stream is named by a seed, a step and a purpose ("noise", "shuffle"); the same name gives the same
// numbers on every platform, in whatever order and on however many goroutines streams are used. So a run
// is repeatable, and a resumed run goes on exactly as an unbroken one, without any generator state in the
// checkpoint. [Stream.At] splits a stream once more, by index: image i of a batch gets the same noise
// however the batch is cut into parts.
//
// The numbers come from Philox4x32-10 and are not for cryptography.
package random

import (
	"fmt"
	"math/bits"
)

// Stream is a sequence of random numbers. It is not safe for use by several goroutines at once: give
// each its own, from New or At.
type Stream struct {
	key   uint64
	step  uint64
	block uint64 // the next block of the sequence
	spare uint64 // second half of the last block
	full  bool   // spare has not been used
}

// New returns the stream of the given name, at its beginning.
func New(seed, step uint64, purpose string) *Stream {
	return &Stream{key: mix(mix(seed) + hash(purpose)), step: step}
}

// At returns the index-th substream, at its beginning. It depends on the name of s only, not on how many
// numbers s has given.
func (s *Stream) At(index int) *Stream {
	// The odd factor keeps indices distinct, and mix keeps At(1).At(2) apart from At(2).At(1).
	return &Stream{key: mix(s.key + (uint64(index)+1)*0x9e3779b97f4a7c15), step: s.step}
}

// Uint64 returns 64 random bits.
func (s *Stream) Uint64() uint64 {
	if s.full {
		s.full = false
		return s.spare
	}
	b := philox(
		[4]uint32{uint32(s.block), uint32(s.block >> 32), uint32(s.step), uint32(s.step >> 32)},
		[2]uint32{uint32(s.key), uint32(s.key >> 32)})
	s.block++
	s.spare, s.full = uint64(b[2])|uint64(b[3])<<32, true
	return uint64(b[0]) | uint64(b[1])<<32
}

// Float32 returns a multiple of 2^-24 in [0, 1).
func (s *Stream) Float32() float32 { return float32(s.Uint64()>>40) * 0x1p-24 }

// Float64 returns a multiple of 2^-53 in [0, 1).
func (s *Stream) Float64() float64 { return float64(s.Uint64()>>11) * 0x1p-53 }

// Intn returns an integer in [0, n), each equally likely. It panics if n <= 0.
//
// Source: Lemire, Fast Random Integer Generation in an Interval, 2019, algorithm 5.
func (s *Stream) Intn(n int) int {
	if n <= 0 {
		panic(fmt.Sprintf("random: Intn of %d", n))
	}
	m := uint64(n)
	high, low := bits.Mul64(s.Uint64(), m)
	if low < m {
		for reject := -m % m; low < reject; {
			high, low = bits.Mul64(s.Uint64(), m)
		}
	}
	return int(high)
}

// Perm returns the numbers 0 to n-1 in random order.
func (s *Stream) Perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		j := s.Intn(i + 1)
		p[i] = p[j]
		p[j] = i
	}
	return p
}

// hash is FNV-1a.
func hash(text string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 0x100000001b3
	}
	return h
}

// mix spreads the bits of x; it is one to one. Source: Steele, Lea, Flood, Fast Splittable Pseudorandom
// Number Generators, 2014 (constants: variant 13 of Stafford).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
