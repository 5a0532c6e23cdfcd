package preprocess

// Picture makes the network's input, [C, H, W] or with channels last, of one picture of RGB pixels, [h, w, 3], by Fit.
func (s *Spec) Picture(rgb []uint8, h, w int, channelsLast bool) ([]float32, error) {
	pixels, err := s.Fit(rgb, h, w)
	if err != nil {
		return nil, err
	}
	x := make([]float32, len(pixels))
	if channelsLast {
		s.Apply(x, pixels, 1)
	} else {
		s.ApplyNCHW(x, pixels, 1)
	}
	return x, nil
}
