package preprocess

import (
	"fmt"
	"math"
)

// Resize returns an image [h,w,channels] as one of height to[0] and width to[1], by Pillow's antialiased bilinear
// filter (Image.resize with BILINEAR), bit for bit: a triangle as wide as the larger of a pixel before and a pixel
// after, its weights rounded to 22 binary places, along rows first and then along columns, with pixels rounded to
// bytes between. Networks are mostly trained and measured on images that were resized so; without the antialiasing,
// as in many other programs, edges of a large photograph turn into noise.
//
// Lengths that contradict each other panic, as do sizes that are not positive.
func Resize(pixels []uint8, h, w, channels int, to [2]int) []uint8 {
	if h < 1 || w < 1 || to[0] < 1 || to[1] < 1 || channels < 1 || len(pixels) != h*w*channels {
		panic(fmt.Sprintf("preprocess: resize %d bytes of %dx%dx%d to %v", len(pixels), h, w, channels, to))
	}
	if to[1] != w {
		narrow := make([]uint8, h*to[1]*channels)
		taps := triangle(w, to[1])
		for y := range h {
			resample(narrow[y*to[1]*channels:(y+1)*to[1]*channels], pixels[y*w*channels:(y+1)*w*channels], taps, channels)
		}
		pixels, w = narrow, to[1]
	}
	if to[0] != h {
		short := make([]uint8, to[0]*w*channels)
		// A row is one sample of w*channels values.
		resample(short, pixels, triangle(h, to[0]), w*channels)
		pixels = short
	}
	return pixels
}

// tap is what makes one sample of a resized line: weights of the samples from first on, in 1/2^22.
type tap struct {
	first   int
	weights []int32
}

const weightBits = 22

// triangle returns the taps that make a line of n samples of one of m.
func triangle(m, n int) []tap {
	scale := float64(m) / float64(n)
	reach := max(scale, 1) // half of the triangle's base
	taps := make([]tap, n)
	for i := range taps {
		centre := float64((float64(i) + 0.5) * scale)
		first := max(int(centre-reach+0.5), 0)
		last := min(int(centre+reach+0.5), m)
		weights, sum := make([]float64, last-first), 0.0
		for j := range weights {
			weights[j] = max(1-math.Abs((float64(first+j)-centre+0.5)*(1/reach)), 0)
			sum += weights[j]
		}
		taps[i] = tap{first, make([]int32, len(weights))}
		for j, v := range weights {
			taps[i].weights[j] = int32(math.Floor(float64(v/sum*(1<<weightBits)) + 0.5))
		}
	}
	return taps
}

// resample makes a line of samples of width values each.
func resample(dst, src []uint8, taps []tap, width int) {
	sums := make([]int32, width)
	for i, t := range taps {
		for c := range sums {
			sums[c] = 1 << (weightBits - 1)
		}
		for j, v := range t.weights {
			sample := src[(t.first+j)*width : (t.first+j+1)*width]
			for c, p := range sample {
				sums[c] += v * int32(p)
			}
		}
		out := dst[i*width : (i+1)*width]
		for c, s := range sums {
			out[c] = uint8(min(max(s>>weightBits, 0), 255))
		}
	}
}

// Fit returns pixels of an image [h,w,C] as one of size Size, by the way that Resize names:
//
//	""         it must have Size already; Size 0, 0 takes any
//	"stretch"  both sides are resized on their own, whatever that does to the aspect
//	"crop"     8/7 of Size is covered, and the middle cut out: for 224 the short side becomes 256, as is usual for ImageNet
//
// A network of gray images gets the brightness of colored ones. What is neither resized nor turned gray is returned as it
// is, not copied.
func (s *Spec) Fit(pixels []uint8, h, w int) ([]uint8, error) {
	if s.Channels() == 1 && len(pixels) == 3*h*w {
		pixels = brightness(pixels)
	}
	if err := s.CheckImages(h, w, len(pixels)/(h*w)); err != nil {
		return nil, err
	}
	switch s.Resize {
	case "stretch":
		return Resize(pixels, h, w, s.Channels(), s.Size), nil
	case "crop":
		return s.crop(pixels, h, w), nil
	}
	return pixels, nil
}

// brightness returns the luma of RGB pixels (ITU-R BT.601), rounded as Pillow's convert("L") does.
func brightness(rgb []uint8) []uint8 {
	y := make([]uint8, len(rgb)/3)
	for i := range y {
		r, g, b := uint(rgb[3*i]), uint(rgb[3*i+1]), uint(rgb[3*i+2])
		y[i] = uint8((19595*r + 38470*g + 7471*b + 1<<15) >> 16)
	}
	return y
}

// crop resizes so that the image covers 8/7 of Size, the long side rounded down, and cuts out the middle.
func (s *Spec) crop(pixels []uint8, h, w int) []uint8 {
	c := s.Channels()
	high, wide := (s.Size[0]*8+6)/7, (s.Size[1]*8+6)/7
	if h*wide < w*high { // height decides
		wide = max(high*w/h, wide)
	} else {
		high = max(wide*h/w, high)
	}
	pixels = Resize(pixels, h, w, c, [2]int{high, wide})
	top, left := halfEven(high-s.Size[0]), halfEven(wide-s.Size[1])
	cut := make([]uint8, 0, s.Size[0]*s.Size[1]*c)
	for y := top; y < top+s.Size[0]; y++ {
		cut = append(cut, pixels[(y*wide+left)*c:(y*wide+left+s.Size[1])*c]...)
	}
	return cut
}

// halfEven is half of n, rounded to even as torchvision does.
func halfEven(n int) int { return int(math.RoundToEven(float64(n) / 2)) }
