package dataset

import "image"

// RGB returns the pixels of an image as [H, W, 3] values, decoded as those of image folders are.
func RGB(img image.Image) []uint8 {
	size := img.Bounds().Size()
	pixels := make([]uint8, 3*size.X*size.Y)
	writeRGB(pixels, img)
	return pixels
}
