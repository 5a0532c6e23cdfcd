package preprocess

// Picture makes the network's input, [C, H, W], of one picture of RGB pixels, [h, w, 3]: resized where the Spec says how, and its
// brightness alone where the network takes that.
func (s *Spec) Picture(rgb []uint8, h, w int) ([]float32, error) {
	pixels := rgb
	if s.Channels() == 1 {
		pixels = brightness(rgb)
	}
	if err := s.CheckImages(h, w, s.Channels()); err != nil {
		return nil, err
	}
	pixels, err := s.Fit(pixels, h, w)
	if err != nil {
		return nil, err
	}
	x := make([]float32, len(pixels))
	s.ApplyNCHW(x, pixels, 1)
	return x, nil
}

// brightness returns the luma of RGB pixels (ITU-R BT.601).
func brightness(rgb []uint8) []uint8 {
	y := make([]uint8, len(rgb)/3)
	for i := range y {
		r, g, b := int(rgb[3*i]), int(rgb[3*i+1]), int(rgb[3*i+2])
		y[i] = uint8((299*r + 587*g + 114*b + 500) / 1000)
	}
	return y
}
