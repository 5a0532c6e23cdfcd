package intkernel

import "math"

// AddParams are those of the sum of two tensors, in one of two ways.
//
// Float, as ONNX Runtime does it, fma rounding once:
//
//	q = round(clamp(fma(a, RA, fma(b, RB, Fix)), QMin, QMax))     halves to even
//
// with RA = float32(scale of a / scale of the sum), RB likewise, and Fix = float32(zero - fma(az, RA, float32(RB*bz))).
//
// Fixed, in 32 bits: q = clamp(((a-AZ)*MA + (b-BZ)*MB + 2^(Shift-1)) >> Shift + Zero, QMin, QMax).
type AddParams struct {
	RA, RB, Fix float32
	Lo, Hi      float32 // QMin and QMax

	MA, MB, Shift int32
	AZ, BZ        int32
	Round         int32 // 2^(Shift-1) - AZ*MA - BZ*MB
	Zero          int32
	QMin, QMax    int32
	fixed         bool
}

// NewAdd returns the parameters of a sum of tensors with scales sa and sb and zero points az and bz.
func NewAdd(sa, sb, sc float32, az, bz, zero, qmin, qmax int32, fixed bool) *AddParams {
	k := &AddParams{AZ: az, BZ: bz, Zero: zero, QMin: qmin, QMax: qmax, fixed: fixed}
	if !fixed {
		k.RA, k.RB = sa/sc, sb/sc
		k.Fix = float32(zero) - fma(float32(az), k.RA, float32(k.RB*float32(bz)))
		k.Lo, k.Hi = float32(qmin), float32(qmax)
		return k
	}
	// Factors of up to 21 bits: sums of two products with 9-bit integers stay within 31.
	ra, rb := float64(sa)/float64(sc), float64(sb)/float64(sc)
	_, exp := math.Frexp(max(ra, rb))
	k.Shift = int32(min(max(21-exp, 1), 30))
	limit := float64(1<<21 - 1)
	k.MA = int32(min(math.RoundToEven(math.Ldexp(ra, int(k.Shift))), limit))
	k.MB = int32(min(math.RoundToEven(math.Ldexp(rb, int(k.Shift))), limit))
	k.Round = 1<<(k.Shift-1) - az*k.MA - bz*k.MB
	return k
}

func (k *AddParams) one(a, b uint8) uint8 {
	if k.fixed {
		q := (int32(a)*k.MA+int32(b)*k.MB+k.Round)>>k.Shift + k.Zero
		return uint8(min(max(q, k.QMin), k.QMax))
	}
	return uint8(clampRound(fma(float32(a), k.RA, fma(float32(b), k.RB, k.Fix)), k.Lo, k.Hi))
}

// Add sets dst to the sums of a and b. The slices have the same length and may be the same.
func Add(dst, a, b []uint8, k *AddParams) { impl.addAll(dst, a, b, k) }

func (f *family) addAll(dst, a, b []uint8, k *AddParams) {
	pass := f.add
	if k.fixed {
		pass = f.addFixed
	}
	for i := pass(dst, a, b, k); i < len(dst); i++ {
		dst[i] = k.one(a[i], b[i])
	}
}

// MulParams are those of the product of two tensors: with (a-AZ)*(b-BZ) for the sum, R requantizes it as one channel;
// but in float32 the zero point is added before the rounding, as ONNX Runtime does it:
//
//	q = round(clamp(float32(float32((a-AZ)*(b-BZ))*Mult) + zero, QMin, QMax))
type MulParams struct {
	AZ, BZ int32
	R      *Requant
}

// Mul sets dst to the products of a and b. Where b is shorter, it is one value for each channel of a pixel.
func Mul(dst, a, b []uint8, k *MulParams) {
	r := k.R
	j := 0
	for i := range dst {
		product := (int32(a[i]) - k.AZ) * (int32(b[j]) - k.BZ)
		if j++; j == len(b) {
			j = 0
		}
		if r.Mult == nil {
			dst[i] = r.One(product, 0)
			continue
		}
		v := float32(float32(product)*r.Mult[0]) + float32(r.Zero)
		dst[i] = uint8(clampRound(v, float32(r.QMin), float32(r.QMax)))
	}
}

// Lookup sets dst[i] to table[x[i]]. The slices have the same length and may be the same.
func Lookup(dst, x []uint8, table *[256]uint8) { impl.lookupAll(dst, x, table) }

func (f *family) lookupAll(dst, x []uint8, table *[256]uint8) {
	for i := f.lookup(dst, x, table); i < len(dst); i++ {
		dst[i] = table[x[i]]
	}
}

// Maximum sets dst to the larger of a and b, element by element. The slices have the same length and may be the same.
func Maximum(dst, a, b []uint8) { impl.maximumAll(dst, a, b) }

func (f *family) maximumAll(dst, a, b []uint8) {
	for i := f.maximum(dst, a, b); i < len(dst); i++ {
		dst[i] = max(a[i], b[i])
	}
}

// QuantizeParams are those of the quantization of real values: q = round(clamp(x/Scale, Lo, Hi)) + Zero.
type QuantizeParams struct {
	Scale, Lo, Hi float32
	Zero          int32
}

// NewQuantize returns the quantization to integers from qmin to qmax.
func NewQuantize(scale float32, zero, qmin, qmax int32) *QuantizeParams {
	return &QuantizeParams{scale, float32(qmin - zero), float32(qmax - zero), zero}
}

// One returns the integer of a real value, and the smallest one of what is no number.
func (k *QuantizeParams) One(x float32) uint8 {
	return uint8(clampRound(x/k.Scale, k.Lo, k.Hi) + k.Zero)
}

// Quantize fills rows y0 to y1 of an image with the integers of x, which is [C, H, W].
func Quantize(dst []uint8, m Map, x []float32, k *QuantizeParams, y0, y1 int) {
	impl.quantizeRows(dst, m, x, k, y0, y1)
}

func (f *family) quantizeRows(dst []uint8, m Map, x []float32, k *QuantizeParams, y0, y1 int) {
	plane := m.H * m.W
	for y := y0; y < y1; y++ {
		for c := 0; c < m.C; c += 4 {
			row := dst[m.At(y, 0)+c:]
			done := 0
			if m.C <= 4 {
				// What fills the pixel up does not matter.
				at := func(i int) *float32 { return &x[min(i, m.C-1)*plane+y*m.W] }
				done = f.quantize(row, at(0), at(1), at(2), at(3), k, m.W)
			}
			for i := range min(4, m.C-c) {
				values := x[(c+i)*plane+y*m.W:][:m.W]
				for p := done; p < m.W; p++ {
					row[p*m.Pixel()+i] = k.One(values[p])
				}
			}
		}
	}
}

// Dequantize writes rows y0 to y1 of an image as real values scale*(q-zero) into x, which is [C, H, W].
func Dequantize(x []float32, src []uint8, m Map, scale float32, zero int32, y0, y1 int) {
	var table [256]float32
	for q := range table {
		table[q] = float32(int32(q)-zero) * scale
	}
	for y := y0; y < y1; y++ {
		row := src[m.At(y, 0):]
		for c := range m.C {
			values := x[(c*m.H+y)*m.W:][:m.W]
			for p := range values {
				values[p] = table[row[p*m.Pixel()+c]]
			}
		}
	}
}
