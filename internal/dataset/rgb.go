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

// writeYCbCr is writeRGB of a JPEG. Where colour has half the resolution of brightness it is interpolated
// with weights 3/4 and 1/4, as by the decoders whose images networks are trained on. The nearest sample
// alone, which At of the image gives, differs from theirs by tens of values at coloured edges.
func writeYCbCr(dst []uint8, img *image.YCbCr) {
	width, height := img.Rect.Dx(), img.Rect.Dy()
	fineX, fineY := 1, 1 // brightness samples for each of colour
	switch img.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		fineX, fineY = 2, 2
	case image.YCbCrSubsampleRatio422:
		fineX = 2
	case image.YCbCrSubsampleRatio440:
		fineY = 2
	case image.YCbCrSubsampleRatio411:
		fineX = 4
	case image.YCbCrSubsampleRatio410:
		fineX, fineY = 4, 2
	}
	columns, rows := weights(width, fineX), weights(height, fineY)
	for y := range height {
		near, far := img.Cb[rows[y].near*img.CStride:], img.Cb[rows[y].far*img.CStride:]
		nearR, farR := img.Cr[rows[y].near*img.CStride:], img.Cr[rows[y].far*img.CStride:]
		v := rows[y].weight
		for x := range width {
			h := columns[x]
			blend := func(near, far []uint8) uint8 {
				a := v*int(near[h.near]) + (8-v)*int(far[h.near])
				b := v*int(near[h.far]) + (8-v)*int(far[h.far])
				return uint8((h.weight*a + (8-h.weight)*b + 32) >> 6)
			}
			r, g, b := color.YCbCrToRGB(img.Y[y*img.YStride+x], blend(near, far), blend(nearR, farR))
			dst[0], dst[1], dst[2] = r, g, b
			dst = dst[3:]
		}
	}
}

// sample places a position between two coarse samples: weight eighths of near and the rest of far.
type sample struct{ near, far, weight int }

// weights interpolates length positions linearly between samples that each cover fine of them, centred;
// outside the outermost centres the outermost sample holds.
func weights(length, fine int) []sample {
	last := (length+fine-1)/fine - 1
	all := make([]sample, length)
	for i := range all {
		near := i / fine
		offset := 2*(i%fine) - fine + 1 // from the centre, in 1/(2*fine) of a sample
		far := near
		if offset > 0 {
			far = min(near+1, last)
		} else if offset < 0 {
			far = max(near-1, 0)
		}
		all[i] = sample{near, far, 8 - 8*max(offset, -offset)/(2*fine)}
	}
	return all
}
