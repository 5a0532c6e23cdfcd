// Package quant is the arithmetic of affine quantization.
//
// A quantizer maps a real value v to an integer and back with a scale S and a zero point Z:
//
//	q  = clamp(round(v/S) + Z, qmin, qmax)        v' = S * (q - Z)
//
// Rounding is to nearest, ties to even, and v/S is a division, not a product with 1/S, as ONNX demands.
// Zero is always exactly representable. The package knows numbers only: no networks, no files.
//
// Observers ([MinMax], [Percentile], [MSE]) watch a tensor and propose a range;
// [Quantizer.SetRange] turns a range into a scale and a zero point. [Multiplier] and [Requantize] are the
// fixed-point form of the step from int32 accumulators to the next tensor's integers.
package quant

import (
	"fmt"
	"math"
	"slices"
)

// The bit widths a quantizer can have.
const (
	MinBits = 2
	MaxBits = 8
)

// MinScale is the smallest scale, the smallest normal float32: below it a division loses bits.
const MinScale = 0x1p-126

// maxReal bounds ranges, so that no sum or product of a few such values overflows.
const maxReal = math.MaxFloat32 / 8

// Scheme says what kind of grid a tensor gets, before its range is known.
type Scheme struct {
	Bits       int  // 2 to 8
	Signed     bool // int8 storage, else uint8
	Symmetric  bool // zero point 0 (signed), range [-a, a]
	Narrow     bool // leave out the most negative value, so that -q exists for every q
	PerChannel bool // one scale and zero point per output channel, else one for the tensor
}

// Bounds returns the smallest and largest integer of the scheme: 0 and 15 for 4 unsigned bits, -8 and 7
// for 4 signed ones, -7 and 7 for narrow ones.
func (s Scheme) Bounds() (qmin, qmax int32) {
	levels := int32(1) << s.Bits
	qmax = levels - 1
	if s.Signed {
		qmin, qmax = -levels/2, levels/2-1
	}
	if s.Narrow {
		qmin++
	}
	return qmin, qmax
}

// WithBits returns the scheme with so many bits. Symmetric grids are narrow, but for two bits: a fourth of the levels is too
// much to give away for symmetry.
func (s Scheme) WithBits(bits int) Scheme {
	s.Bits, s.Narrow = bits, s.Symmetric && bits > MinBits
	return s
}

// center is the zero point of a symmetric grid.
func (s Scheme) center() int32 {
	if s.Signed {
		return 0
	}
	return 1 << (s.Bits - 1)
}

// Quantizer is a scheme with its parameters: what FakeQuant layers and quantized constants carry.
// Quantizers are shared by pointer: tensors that must have the same grid (a tie group) have the same
// *Quantizer.
type Quantizer struct {
	Scheme
	Scale []float32 // one, or one per channel; nil until calibrated
	Zero  []int32   // as many as Scale

	// QMin and QMax are the integers in use. They start as the scheme's Bounds and can be tighter, where a
	// clip was folded into them.
	QMin, QMax int32
}

// New returns a quantizer without a range: one that is not calibrated.
func New(s Scheme) *Quantizer {
	q := &Quantizer{Scheme: s}
	q.QMin, q.QMax = s.Bounds()
	return q
}

// Clone returns a copy that shares nothing with q.
func (q *Quantizer) Clone() *Quantizer {
	c := *q
	c.Scale, c.Zero = slices.Clone(q.Scale), slices.Clone(q.Zero)
	return &c
}

// Calibrated reports whether q has a scale.
func (q *Quantizer) Calibrated() bool { return len(q.Scale) > 0 }

// SetRange chooses scale and zero point of a channel (0 for a per-tensor quantizer) so that its grid spans
// the real values lo to hi, widened to include 0, and takes the scheme's bounds as QMin and QMax.
//
// A symmetric grid gets the smallest scale that covers the range. An asymmetric one spans it exactly but
// for the zero point, which is rounded (half to even) so that 0 lies on the grid. An empty range (0 to 0)
// gives scale 1; values that are not numbers count as 0, and the scale is a normal, finite float32 always.
func (q *Quantizer) SetRange(channel int, lo, hi float32) {
	for len(q.Scale) <= channel {
		q.Scale, q.Zero = append(q.Scale, 1), append(q.Zero, q.center())
	}
	q.QMin, q.QMax = q.Bounds()
	q.Scale[channel], q.Zero[channel] = q.Params(lo, hi)
}

// SetRanges sets the range of every channel: q then has as many channels as lo and hi have elements.
func (q *Quantizer) SetRanges(lo, hi []float32) {
	q.Scale, q.Zero = make([]float32, len(lo)), make([]int32, len(lo))
	q.QMin, q.QMax = q.Bounds()
	for c := range lo {
		q.Scale[c], q.Zero[c] = q.Params(lo[c], hi[c])
	}
}

// Params returns the scale and zero point with which a grid of the scheme spans a range; SetRange says how.
func (s Scheme) Params(lo, hi float32) (scale float32, zero int32) {
	qmin, qmax := s.Bounds()
	l, h := min(sane(lo), 0), max(sane(hi), 0)
	if s.Symmetric {
		zero = s.center()
		return saneScale(max(l/float64(qmin-zero), h/float64(qmax-zero))), zero
	}
	scale = saneScale((h - l) / float64(qmax-qmin))
	z := math.RoundToEven(float64(qmin) - l/float64(scale))
	return scale, int32(min(max(z, float64(qmin)), float64(qmax)))
}

// sane replaces what is not a number by 0 and bounds the rest.
func sane(v float32) float64 {
	if v != v {
		return 0
	}
	return min(max(float64(v), -maxReal), maxReal)
}

func saneScale(s float64) float32 {
	if s == 0 {
		return 1
	}
	return float32(max(s, MinScale))
}

// param returns scale and zero point of a channel; a per-tensor quantizer has the same for all.
func (q *Quantizer) param(c int) (float32, int32) {
	if len(q.Scale) == 1 {
		c = 0
	}
	return q.Scale[c], q.Zero[c]
}

// Quantize returns the integer for v in channel c, or the zero point where v is not a number.
func (q *Quantizer) Quantize(v float32, c int) int32 {
	s, z := q.param(c)
	return quantize(v, s, z, q.QMin, q.QMax)
}

// quantize rounds v/s in float32, as ONNX does, and clamps before the conversion, which has no meaning
// for values beyond the integer type.
func quantize(v, s float32, z, qmin, qmax int32) int32 {
	r := math.RoundToEven(float64(v/s)) + float64(z)
	switch {
	case r >= float64(qmax):
		return qmax
	case r <= float64(qmin):
		return qmin
	case r != r:
		return min(max(z, qmin), qmax)
	}
	return int32(r)
}

// Dequantize returns the real value of the integer i in channel c.
func (q *Quantizer) Dequantize(i int32, c int) float32 {
	s, z := q.param(c)
	return float32(i-z) * s
}

// FakeQuantize returns the real value on the grid of channel c that is nearest to v.
func (q *Quantizer) FakeQuantize(v float32, c int) float32 {
	s, z := q.param(c)
	return float32(quantize(v, s, z, q.QMin, q.QMax)-z) * s
}

// FakeQuantizeSlice sets dst[i] to FakeQuantize(src[i], c). The slices have the same length and may be the
// same.
func (q *Quantizer) FakeQuantizeSlice(dst, src []float32, c int) {
	s, z := q.param(c)
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = float32(quantize(v, s, z, q.QMin, q.QMax)-z) * s
	}
}

// FakeQuantizeChannels is FakeQuantizeSlice for a constant whose axis 0 is the channel: src is cut into as
// many equal blocks as q has scales.
func (q *Quantizer) FakeQuantizeChannels(dst, src []float32) {
	n := len(src) / len(q.Scale)
	for c := range q.Scale {
		q.FakeQuantizeSlice(dst[c*n:(c+1)*n], src[c*n:(c+1)*n], c)
	}
}

// Range returns the real values of QMin and QMax in channel c.
func (q *Quantizer) Range(c int) (lo, hi float32) {
	return q.Dequantize(q.QMin, c), q.Dequantize(q.QMax, c)
}

// Validate checks that the parameters of a calibrated quantizer are ones that can be computed with.
func (q *Quantizer) Validate() error {
	if q.Bits < MinBits || q.Bits > MaxBits {
		return fmt.Errorf("quantizer has %d bits, not %d to %d", q.Bits, MinBits, MaxBits)
	}
	bmin, bmax := q.Bounds()
	if q.QMin > q.QMax || q.QMin < bmin || q.QMax > bmax {
		return fmt.Errorf("quantizer uses integers %d to %d, its %d bits allow %d to %d", q.QMin, q.QMax, q.Bits, bmin, bmax)
	}
	switch {
	case len(q.Scale) == 0:
		return fmt.Errorf("quantizer is not calibrated")
	case len(q.Scale) != len(q.Zero):
		return fmt.Errorf("quantizer has %d scales and %d zero points", len(q.Scale), len(q.Zero))
	case len(q.Scale) > 1 && !q.PerChannel:
		return fmt.Errorf("per-tensor quantizer has %d scales", len(q.Scale))
	}
	for c, s := range q.Scale {
		if !(s >= MinScale) || math.IsInf(float64(s), 1) {
			return fmt.Errorf("quantizer has scale %g in channel %d", s, c)
		}
		if z := q.Zero[c]; z < bmin || z > bmax || q.Symmetric && z != q.center() {
			return fmt.Errorf("quantizer has zero point %d in channel %d", z, c)
		}
	}
	return nil
}
