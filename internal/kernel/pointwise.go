package kernel

import (
	"fmt"
	"math"
)

// Act is an activation function.
type Act uint8

const (
	ActNone      Act = iota
	ActReLU          // max(v, 0); gradient 0 at 0
	ActLeakyReLU     // v if v > 0, else Alpha*v; gradient Alpha at 0
	ActClip          // min(max(v, Lo), Hi); gradient 1 strictly inside (Lo, Hi)
)

// Pointwise is the chain of elementwise operations that stands between two convolutions, as one pass over
// memory:
//
//	v = x*Scale[c] + Shift[c] + res      folded batch normalization and residual sum
//	a = act(v)
//	q = clamp(round(a/QScale) + QZero, QMin, QMax)
//	y = QScale*(q - QZero)               fake-quantization
//
// Every part may be left out. Arrays are NHWC: element i belongs to channel i%C. Rounding is to nearest,
// ties to even, of the correctly rounded quotient a/QScale, as in ONNX. A NaN becomes the zero point (y = 0)
// where there is a quantizer and stays NaN elsewhere.
//
// Call Prepare after setting or changing any field, also the contents of Scale and Shift. After that Forward and
// Backward only read, and any number of goroutines may call them on their parts of the batch. Without Prepare
// every call derives the constants again: correct, but slow for small arrays.
type Pointwise struct {
	C int

	Scale, Shift []float32 // per channel; both nil: left out

	Act    Act
	Alpha  float32 // slope of ActLeakyReLU left of 0
	Lo, Hi float32 // bounds of ActClip

	Quant             bool
	QScale            float32 // positive
	QZero, QMin, QMax int32   // QMin <= QMax; |QMin-QZero|, |QMax-QZero| < 2^22

	// PassThrough lets the gradient pass the quantizer everywhere. Otherwise the straight-through estimator is
	// cut where clamp was at work: it passes where QMin <= round(a/QScale) + QZero <= QMax.
	PassThrough bool

	prepared *preparedChain
}

// chain is what the loops read: the constants of a Pointwise in the form they are used in.
type chain struct {
	lo, hi         float32 // bounds of the activation, and of the quantizer's range in units of x
	alpha          float32
	qscale         float32
	passLo, passHi float32 // the activations that gradients pass, both ends included
}

// What a loop has to do, beside what it computes from chain. The bits are loop invariants.
const (
	doAffine  = 1 << iota // v = x*scale + shift
	doRes                 // v += res
	doLeaky               // activation with slope alpha left of 0
	doQuant               // round to the grid
	doMask                // gradient passes only in [passLo, passHi]
	doX                   // backward needs x
	doDx                  // write dx
	doAddDx               // add to dx (with doDx)
	doDres                // write dres
	doAddDres             // add to dres (with doDres)
	doSums                // sum e and e*x
)

type preparedChain struct {
	chain
	flags uint64 // doAffine, doLeaky, doQuant, doMask

	period       int // of forward: Scale and Shift are repeated up to it
	scale, shift []float32

	rowPeriod int // of backward
	block     []float32
}

// Prepare derives what Forward and Backward read from the fields. It must not run at the same time as they do.
func (p *Pointwise) Prepare() {
	if p.prepared == nil {
		p.prepared = new(preparedChain)
	}
	p.prepared.derive(p)
}

func (p *Pointwise) derived() *preparedChain {
	if p.prepared != nil {
		return p.prepared
	}
	d := new(preparedChain)
	d.derive(p)
	return d
}

func (d *preparedChain) derive(p *Pointwise) {
	if p.C <= 0 || p.Scale != nil && len(p.Scale) != p.C || len(p.Shift) != len(p.Scale) {
		panic(fmt.Sprintf("kernel: pointwise with %d channels, %d scales, %d shifts", p.C, len(p.Scale), len(p.Shift)))
	}
	d.flags = 0
	d.period, d.rowPeriod = contiguousPeriod(p.C), rowPeriod(p.C)
	scale, shift := []float32{1}, []float32{0}
	if p.Scale != nil {
		d.flags |= doAffine
		scale, shift = p.Scale, p.Shift
		d.scale, d.shift = repeat(d.scale, scale, d.period), repeat(d.shift, shift, d.period)
	}
	d.block = resize(d.block, blockLen(d.rowPeriod, backwardParts))
	clear(d.block)
	fillBlock(d.block, d.rowPeriod, partScale, backwardParts, scale)
	fillBlock(d.block, d.rowPeriod, partShift, backwardParts, shift)

	inf := float32(math.Inf(1))
	d.lo, d.hi, d.passLo, d.passHi = -inf, inf, -inf, inf
	switch p.Act {
	case ActNone:
	case ActReLU:
		d.lo, d.passLo = 0, math.SmallestNonzeroFloat32
		d.flags |= doMask
	case ActLeakyReLU:
		d.alpha = p.Alpha
		d.flags |= doLeaky
	case ActClip:
		d.lo, d.hi = p.Lo, p.Hi
		d.passLo, d.passHi = math.Nextafter32(p.Lo, inf), math.Nextafter32(p.Hi, -inf)
		d.flags |= doMask
	default:
		panic(fmt.Sprintf("kernel: unknown activation %d", p.Act))
	}
	if !p.Quant {
		return
	}
	d.flags |= doQuant
	d.qscale = p.QScale
	// One clamp serves activation and quantizer: clamp to [l1, h1], then to [l2, h2] is clamp to
	// [clamp2(l1), clamp2(h1)].
	lo, hi := gridRange(p.QScale, p.QZero, p.QMin, p.QMax)
	d.lo, d.hi = min(max(d.lo, lo), hi), min(max(d.hi, lo), hi)
	if !p.PassThrough {
		lo, hi = passRange(p.QScale, p.QZero, p.QMin, p.QMax)
		d.passLo, d.passHi = max(d.passLo, lo), min(d.passHi, hi)
		d.flags |= doMask
	}
}

// Forward computes y from x and, where the chain has a residual, res. y may be x or res. The length is a multiple of
// C, so that a part of a batch can be given.
func (p *Pointwise) Forward(y, x, res []float32) {
	checkLen("pointwise forward", p.C, len(y), x, res)
	d := p.derived()
	flags := d.flags
	if res != nil {
		flags |= doRes
	}
	if flags&doAffine == 0 {
		impl.forward(y, x, res, nil, nil, &d.chain, flags)
		return
	}
	runs(len(y), d.period, func(i, end int) {
		impl.forward(y[i:end], x[i:end], part(res, i, end), d.scale, d.shift, &d.chain, flags)
	})
}

// Backward turns dy, the gradient with respect to y, into those with respect to x, res, Scale and Shift. It
// computes v and the masks again instead of having them stored. With e = dy * act'(v) where the quantizer passes
// gradients, else 0:
//
//	dx[i]     (+)= e*Scale[c]       (e where there is no Scale)
//	dres[i]   (+)= e
//	dscale[c]  += sum of e*x
//	dshift[c]  += sum of e
//
// accDx and accDres choose += for dx and dres. Each of dx, dres, dscale, dshift may be nil; dx or dres may be dy.
// The sums run in float32 over at most 256 positions and in float64 beyond, in an order that only the
// length and the kernel path decide.
func (p *Pointwise) Backward(dx, dres, dy, x, res []float32, dscale, dshift []float32, accDx, accDres bool) {
	checkLen("pointwise backward", p.C, len(dy), x, dx, dres, res)
	d := p.derived()
	flags := d.flags &^ doQuant
	if flags&doMask != 0 || flags&doLeaky != 0 {
		flags |= doX
	}
	if res != nil {
		flags |= doRes
	}
	if dx != nil {
		flags |= doDx
		if accDx {
			flags |= doAddDx
		}
	}
	if dres != nil {
		flags |= doDres
		if accDres {
			flags |= doAddDres
		}
	}
	if dscale != nil || dshift != nil {
		flags |= doSums
		if dscale != nil {
			flags |= doX
		}
	}
	s := newRowScratch(p.C, len(d.block))
	defer s.release()
	copy(s.block, d.block)
	eachRows(len(dy), d.rowPeriod, func(start, rows, width int) {
		impl.backward(from(dx, start), from(dres, start), dy[start:], x[start:], from(res, start), s.block,
			rows, d.rowPeriod, width, &d.chain, flags)
		if flags&doSums != 0 {
			s.drain(d.rowPeriod)
		}
	})
	for ch := range dscale {
		dscale[ch] += float32(s.sumEX[ch])
	}
	for ch := range dshift {
		dshift[ch] += float32(s.sumE[ch])
	}
}

func checkLen(what string, c, n int, arrays ...[]float32) {
	if c <= 0 || n%c != 0 {
		panic(fmt.Sprintf("kernel: %s: %d elements of %d channels", what, n, c))
	}
	for i, a := range arrays {
		if len(a) != n && (a != nil || i == 0) {
			panic(fmt.Sprintf("kernel: %s: arrays of %d and %d elements", what, n, len(a)))
		}
	}
}

// part and from slice an array that may be left out.
func part(a []float32, i, end int) []float32 {
	if a == nil {
		return nil
	}
	return a[i:end]
}

func from(a []float32, i int) []float32 {
	if a == nil {
		return nil
	}
	return a[i:]
}
