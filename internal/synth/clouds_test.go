package synth

import (
	"math"
	"testing"

	"zaq/internal/preprocess"
)

// Clouds have the pixels of natural images in mean and deviation, neighbours alike, and channels alike; the same seed
// makes the same.
func TestClouds(t *testing.T) {
	raw := &preprocess.Spec{Scale: 1, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}, Color: "rgb"}
	const n, h, w, c = 200, 24, 33, 3
	x := Clouds(n, h, w, c, raw, 7)
	if again := Clouds(1, h, w, c, raw, 7); again[5] != x[5] || Clouds(1, h, w, c, raw, 8)[5] == x[5] {
		t.Error("the images do not follow from the seed")
	}
	mean, deviation := moments(x)
	if math.Abs(mean-preprocess.PixelMean) > 8 || math.Abs(deviation-preprocess.PixelStd) > 8 {
		t.Errorf("pixels have mean %.1f and deviation %.1f", mean, deviation)
	}
	var apart, colour, far float64
	for i := 0; i+3*c < len(x); i += c {
		apart += math.Abs(float64(x[i+c] - x[i]))
		colour += math.Abs(float64(x[i+1] - x[i]))
		far += math.Abs(float64(x[(i+len(x)/2)%len(x)] - x[i]))
	}
	if apart > 0.6*far || colour > 0.6*far {
		t.Errorf("neighbours differ by %.2f, channels by %.2f of what strangers do", apart/far, colour/far)
	}
	scaled := &preprocess.Spec{Scale: 1.0 / 255, Mean: []float64{0.5, 0.5, 0.5}, Std: []float64{0.25, 0.25, 0.25}, Color: "rgb"}
	for i, v := range Clouds(2, h, w, c, scaled, 7) {
		if want := (x[i]/255 - 0.5) / 0.25; math.Abs(float64(v-want)) > 1e-5 {
			t.Fatalf("element %d is %v, want %v", i, v, want)
		}
	}
}

func moments(x []float32) (mean, deviation float64) {
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	for _, v := range x {
		deviation += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
	}
	return mean, math.Sqrt(deviation)
}
