package preprocess

import "fmt"

// Affine returns the preprocessing as one multiplication and addition for each channel of the input, in
// its order: a pixel p, 0..255, becomes float32(p*mul[c]) + add[c], rounded after each operation. This is
// the arithmetic of Apply too. It differs from (p*scale - mean) / std in float64 by less than 1e-6 where
// values are below 8.
func (s *Spec) Affine() (mul, add []float32) {
	mul, add = make([]float32, s.Channels()), make([]float32, s.Channels())
	for c := range mul {
		mul[c] = float32(s.Scale / s.Std[c])
		add[c] = float32((0 - s.Mean[c]) / s.Std[c]) // 0 - 0 is 0, -0 would not be
	}
	return mul, add
}

// PixelRange returns what the darkest and the brightest pixel become in each channel of the input; low is
// the smaller value.
func (s *Spec) PixelRange() (low, high []float32) {
	mul, low := s.Affine()
	high = make([]float32, len(mul))
	for c := range mul {
		black, white := low[c], float32(255*mul[c])+low[c]
		low[c], high[c] = min(black, white), max(black, white)
	}
	return low, high
}

// Apply makes the input of n images: pixels is [n,H,W,C] in the order red, green, blue (or gray alone),
// dst [n,H,W,C] in the network's order. Lengths that contradict each other panic.
func (s *Spec) Apply(dst []float32, pixels []uint8, n int) {
	s.apply(dst, pixels, n, s.Channels(), 1)
}

// ApplyNCHW is Apply with dst as [n,C,H,W].
func (s *Spec) ApplyNCHW(dst []float32, pixels []uint8, n int) {
	s.apply(dst, pixels, n, 1, len(pixels)/max(n*s.Channels(), 1))
}

// apply writes each image with these distances between neighbouring pixels and channels.
func (s *Spec) apply(dst []float32, pixels []uint8, n, pixelStride, channelStride int) {
	channels := s.Channels()
	if n < 0 || len(dst) != len(pixels) || n == 0 && len(pixels) > 0 || len(pixels)%max(n*channels, 1) != 0 {
		panic(fmt.Sprintf("preprocess: %d values of %d pixel bytes, %d images of %d channels",
			len(dst), len(pixels), n, channels))
	}
	table := s.table()
	image := len(pixels) / max(n, 1)
	for i := range n {
		in, out := pixels[i*image:(i+1)*image], dst[i*image:(i+1)*image]
		for c := range channels {
			source := c
			if s.Color == "bgr" {
				source = channels - 1 - c
			}
			values := &table[c]
			to := c * channelStride
			for from := source; from < len(in); from += channels {
				out[to] = values[in[from]]
				to += pixelStride
			}
		}
	}
}

// table holds the value of every pixel in every channel.
func (s *Spec) table() [][256]float32 {
	mul, add := s.Affine()
	table := make([][256]float32, len(mul))
	for c := range table {
		for p := range table[c] {
			table[c][p] = float32(float32(p)*mul[c]) + add[c]
		}
	}
	return table
}
