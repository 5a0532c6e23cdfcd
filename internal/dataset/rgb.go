package dataset

import (
	"image"
	"image/color"
)

// writeRGB writes the pixels of an image as [H,W,3] values, without transparency: a transparent pixel has
// the colour that the file gives it.
func writeRGB(dst []uint8, img image.Image) {
	switch img := img.(type) {
	case *image.YCbCr:
		writeYCbCr(dst, img)
		return
	case *image.Gray:
		bounds := img.Bounds()
		for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
			for x := bounds.Min.X; x < bounds.Max.X; x++ {
				v := img.GrayAt(x, y).Y
				dst[0], dst[1], dst[2] = v, v, v
				dst = dst[3:]
			}
		}
		return
	}
	bounds := img.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			dst[0], dst[1], dst[2] = c.R, c.G, c.B
			dst = dst[3:]
		}
	}
}

// writeYCbCr is writeRGB of a JPEG, in the arithmetic of libjpeg and libjpeg-turbo, which made most of the pixels that
// networks are trained on. Where colour has half the resolution of brightness it is interpolated with weights 3/4 and
// 1/4. The nearest sample alone, which At of the image gives, differs by tens of values at coloured edges, and moves the
// accuracy of detectors by a point.
func writeYCbCr(dst []uint8, img *image.YCbCr) {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	cb, cr := newChroma(img.Cb, img), newChroma(img.Cr, img)
	for y := range height {
		cb.row(y)
		cr.row(y)
		for x, luma := range img.Y[y*img.YStride : y*img.YStride+width] {
			v, b, r := int32(luma), int32(cb.line[x])-128, int32(cr.line[x])-128
			dst[0] = clamp(v + (91881*r+1<<15)>>16)          // 1.402
			dst[1] = clamp(v + (-22554*b-46802*r+1<<15)>>16) // 0.34414, 0.71414
			dst[2] = clamp(v + (116130*b+1<<15)>>16)         // 1.772
			dst = dst[3:]
		}
	}
}

func clamp(v int32) uint8 { return uint8(min(max(v, 0), 255)) }

// chroma is one of the colour planes of a JPEG, of which it makes rows as fine as those of brightness.
type chroma struct {
	samples      []uint8
	stride       int
	wide, high   int // samples in a row, and rows
	fineX, fineY int // brightness samples for each
	sums         []int32
	line         []uint8 // the row
}

func newChroma(samples []uint8, img *image.YCbCr) *chroma {
	c := &chroma{samples: samples, stride: img.CStride, fineX: 1, fineY: 1}
	switch img.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		c.fineX, c.fineY = 2, 2
	case image.YCbCrSubsampleRatio422:
		c.fineX = 2
	case image.YCbCrSubsampleRatio440:
		c.fineY = 2
	case image.YCbCrSubsampleRatio411:
		c.fineX = 4
	case image.YCbCrSubsampleRatio410:
		c.fineX, c.fineY = 4, 2
	}
	c.wide, c.high = (img.Rect.Dx()+c.fineX-1)/c.fineX, (img.Rect.Dy()+c.fineY-1)/c.fineY
	c.sums, c.line = make([]int32, c.wide), make([]uint8, c.wide*c.fineX)
	return c
}

// row sets line to row y. Halves are rounded up in one place and down in the next, so that they are not biased. Outside
// the outermost samples these hold. Other ratios than two, and images of a few pixels, take the nearest sample.
func (c *chroma) row(y int) {
	near := c.samples[y/c.fineY*c.stride:][:c.wide]
	if c.fineX > 2 || c.fineX == 2 && c.wide <= 2 {
		for x := range c.line {
			c.line[x] = near[x/c.fineX]
		}
		return
	}
	scale := int32(1) // of the sums
	for x, v := range near {
		c.sums[x] = int32(v)
	}
	if c.fineY == 2 {
		other := y/2 + y%2*2 - 1
		far := c.samples[min(max(other, 0), c.high-1)*c.stride:][:c.wide]
		for x, v := range far {
			c.sums[x] = 3*c.sums[x] + int32(v)
		}
		scale = 4
	}
	if c.fineX == 1 {
		half := scale/4 + scale/4*int32(y%2) // 1 in upper rows, 2 in lower ones
		for x, s := range c.sums {
			c.line[x] = uint8((s + half) / scale)
		}
		return
	}
	scale *= 4
	left, right := scale/2, scale/2-1
	if scale == 4 {
		left, right = 1, 2
	}
	before := c.sums[0]
	for x, s := range c.sums {
		after := s
		if x+1 < c.wide {
			after = c.sums[x+1]
		}
		c.line[2*x] = uint8((3*s + before + left) / scale)
		c.line[2*x+1] = uint8((3*s + after + right) / scale)
		before = s
	}
}
