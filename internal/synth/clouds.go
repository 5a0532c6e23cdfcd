package synth

import (
	"math"

	"zaq/internal/preprocess"
	"zaq/internal/random"
)

// common is the share of an image's variance that all of its channels have in common, as in photographs.
const common = 0.9

// Clouds returns n images of noise that is smooth as natural images are, in the form that the network takes: of each image the
// numbers [H, W, C] of all inputs, one input behind the other. They know nothing of the network: they are for networks that
// remember nothing of their data. For a vector they are noise as it is.
func Clouds(n int, inputs []Input, seed uint64) []float32 {
	var all [][]float32
	size := 0
	for i, in := range inputs {
		all = append(all, clouds(n, in, nth("clouds", i), seed))
		size += len(all[i])
	}
	if len(all) == 1 {
		return all[0]
	}
	x := make([]float32, 0, size)
	for image := range n {
		for _, y := range all {
			each := len(y) / n
			x = append(x, y[image*each:(image+1)*each]...)
		}
	}
	return x
}

// clouds returns those of an input, [n, H, W, C], from the streams of a purpose. Their amplitude falls with the inverse of
// frequency (Field 1987), which gives every octave the same variance; pixels have the mean and the deviation of natural ones,
// other numbers mean 0 and deviation 1.
func clouds(n int, in Input, purpose string, seed uint64) []float32 {
	h, w, c, pixels := in.H, in.W, in.C, in.Pixels
	if in.Vector {
		x := make([]float32, n*c)
		random.New(seed, 0, purpose).Normal(x)
		return x
	}
	var mul, add []float32
	if pixels != nil {
		mul, add = pixels.Affine()
	}
	x := make([]float32, n*h*w*c)
	for i := range n {
		r := random.New(seed, uint64(i), purpose)
		shared := octaves(h, w, r)
		for k := range c {
			own := octaves(h, w, r)
			for p := range shared {
				g := float32(math.Sqrt(common))*shared[p] + float32(math.Sqrt(1-common))*own[p]
				if pixels == nil {
					x[(i*h*w+p)*c+k] = g
					continue
				}
				pixel := min(max(preprocess.PixelMean+float32(preprocess.PixelStd*g), 0), 255)
				x[(i*h*w+p)*c+k] = float32(pixel*mul[k]) + add[k]
			}
		}
	}
	return x
}

// octaves returns a map with deviation 1 over all maps: a sum of noise on finer and finer grids.
func octaves(h, w int, r *random.Stream) []float32 {
	y := make([]float32, h*w)
	var variance float32
	for cells := 1; cells < 2*max(h, w); cells *= 2 {
		rows, columns := min(cells, h), min(cells, w)
		grid := make([]float32, (rows+1)*(columns+1))
		r.Normal(grid)
		for i := range h {
			a, fa := between(i, h, rows)
			for j := range w {
				b, fb := between(j, w, columns)
				at := a*(columns+1) + b
				top := grid[at] + float32(fb*(grid[at+1]-grid[at]))
				bottom := grid[at+columns+1] + float32(fb*(grid[at+columns+2]-grid[at+columns+1]))
				y[i*w+j] += top + float32(fa*(bottom-top))
			}
		}
		variance += 4.0 / 9 // of a bilinear mixture of four, over all places between them
	}
	for i := range y {
		y[i] /= float32(math.Sqrt(float64(variance)))
	}
	return y
}

// between returns the grid line before the i-th of n pixels, of cells cells, and how far behind it the pixel's middle is.
func between(i, n, cells int) (line int, fraction float32) {
	at := (float32(i) + 0.5) * float32(cells) / float32(n)
	line = min(int(at), cells-1)
	return line, at - float32(line)
}
