package synth

import (
	"math"
	"slices"
	"testing"

	"zaq/internal/preprocess"
)

// Clouds have the pixels of natural images in mean and deviation, neighbours alike, and channels alike; the same seed
// makes the same.
func TestClouds(t *testing.T) {
	raw := &preprocess.Spec{Scale: 1, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}, Color: "rgb"}
	const n, h, w, c = 200, 24, 33, 3
	input := []Input{{H: h, W: w, C: c, Pixels: raw}}
	x := Clouds(n, input, 7)
	if again := Clouds(1, input, 7); again[5] != x[5] || Clouds(1, input, 8)[5] == x[5] {
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
	for i, v := range Clouds(2, []Input{{H: h, W: w, C: c, Pixels: scaled}}, 7) {
		if want := (x[i]/255 - 0.5) / 0.25; math.Abs(float64(v-want)) > 1e-5 {
			t.Fatalf("element %d is %v, want %v", i, v, want)
		}
	}
}

// What is no picture has mean 0 and deviation 1; of several inputs, each image's numbers follow each other, and the first
// input's are those that it would have alone.
func TestCloudsOfSeveralInputs(t *testing.T) {
	raw := &preprocess.Spec{Scale: 1, Mean: []float64{0}, Std: []float64{1}, Color: "gray"}
	inputs := []Input{{H: 8, W: 8, C: 1, Pixels: raw}, {H: 4, W: 4, C: 2}, {H: 1, W: 1, C: 5, Vector: true}}
	const n, size = 300, 64 + 32 + 5
	x, alone := Clouds(n, inputs, 7), Clouds(n, inputs[:1], 7)
	if len(x) != n*size {
		t.Fatalf("%d numbers, want %d images of %d", len(x), n, size)
	}
	var maps, vectors []float32
	for i := range n {
		image := x[i*size : (i+1)*size]
		if !slices.Equal(image[:64], alone[i*64:(i+1)*64]) {
			t.Fatalf("image %d differs from that of the first input alone", i)
		}
		maps, vectors = append(maps, image[64:96]...), append(vectors, image[96:]...)
	}
	for name, numbers := range map[string][]float32{"map": maps, "vector": vectors} {
		if mean, deviation := moments(numbers); math.Abs(mean) > 0.15 || math.Abs(deviation-1) > 0.15 {
			t.Errorf("%s: mean %.2f and deviation %.2f", name, mean, deviation)
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
