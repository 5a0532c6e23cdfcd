package jpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"
)

// picture is a JPEG file of a slope with noise.
func picture(t testing.TB, w, h, quality int, gray bool) []byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	var img image.Image
	if gray {
		g := image.NewGray(image.Rect(0, 0, w, h))
		for i := range g.Pix {
			g.Pix[i] = uint8(i + rng.IntN(50))
		}
		img = g
	} else {
		c := image.NewRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				c.Set(x, y, color.RGBA{uint8(9 * x), uint8(rng.IntN(256)), uint8(7 * y), 255})
			}
		}
		img = c
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Planes are those that image/jpeg decodes, to the last bit of its transform.
func TestDecode(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {7, 9}, {16, 16}, {17, 8}, {33, 50}} {
		for _, quality := range []int{20, 75, 100} {
			for _, gray := range []bool{false, true} {
				b := picture(t, size[0], size[1], quality, gray)
				got, err := Decode(b)
				if err != nil {
					t.Fatalf("%v, quality %d: %v", size, quality, err)
				}
				want, err := jpeg.Decode(bytes.NewReader(b))
				if err != nil {
					t.Fatal(err)
				}
				if got.Bounds() != want.Bounds() {
					t.Errorf("%v: bounds %v", size, got.Bounds())
				}
				for y := range size[1] {
					for x := range size[0] {
						if !close(got.At(x, y), want.At(x, y)) {
							t.Fatalf("%v, quality %d: pixel %d, %d is %v, want about %v", size, quality, x, y, got.At(x, y), want.At(x, y))
						}
					}
				}
			}
		}
	}
}

// close compares the samples of a pixel.
func close(a, b color.Color) bool {
	near := func(a, b uint8) bool { return max(a, b)-min(a, b) <= 1 }
	if x, ok := a.(color.Gray); ok {
		y, ok := b.(color.Gray)
		return ok && near(x.Y, y.Y)
	}
	x, ok1 := a.(color.YCbCr)
	y, ok2 := b.(color.YCbCr)
	return ok1 && ok2 && near(x.Y, y.Y) && near(x.Cb, y.Cb) && near(x.Cr, y.Cr)
}

// The transform is the cosine transform of the standard (ITU-T T.81, A.3.3), rounded: it is off by more than half a step
// in some samples only.
func TestInverse(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	off := 0
	for range 200 {
		var block [64]int32
		for range 1 + rng.IntN(20) {
			block[rng.IntN(64)] = int32(rng.IntN(200) - 100)
		}
		want := cosines(&block)
		var got [8 * 10]uint8
		inverse(got[:], 10, &block)
		for i, v := range want {
			d := math.Abs(float64(got[i/8*10+i%8]) - min(max(v, 0), 255))
			if d > 0.52 {
				off++
			}
			if d > 1 {
				t.Fatalf("sample %d is %d, want %.3f", i, got[i/8*10+i%8], v)
			}
		}
	}
	if off > 200*64/50 {
		t.Errorf("%d samples of %d are not rounded to nearest", off, 200*64)
	}
}

func cosines(block *[64]int32) (out [64]float64) {
	scale := func(u int) float64 {
		if u == 0 {
			return math.Sqrt(0.5)
		}
		return 1
	}
	for y := range 8 {
		for x := range 8 {
			sum := 0.0
			for v := range 8 {
				for u := range 8 {
					sum += scale(u) * scale(v) * float64(block[8*v+u]) *
						math.Cos(float64((2*x+1)*u)*math.Pi/16) * math.Cos(float64((2*y+1)*v)*math.Pi/16)
				}
			}
			out[8*y+x] = sum/4 + 128
		}
	}
	return out
}

// Whatever is cut off or changed, there is an image or ErrUnsupported.
func TestDamaged(t *testing.T) {
	good := picture(t, 33, 18, 75, false)
	for n := range good {
		if _, err := Decode(good[:n]); n < len(good)-40 && !errors.Is(err, ErrUnsupported) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(good), err)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		b := bytes.Clone(good)
		b[rng.IntN(len(b))] = byte(rng.Uint32())
		if _, err := Decode(b); err != nil && !errors.Is(err, ErrUnsupported) {
			t.Fatal(err)
		}
	}
}

// A header that claims a gigapixel costs no memory for it.
func TestClaimIsNotAllocated(t *testing.T) {
	b := picture(t, 16, 16, 75, false)
	at := bytes.Index(b, []byte{0xff, markSOF0})
	copy(b[at+5:], []byte{0xff, 0xff, 0xff, 0xff})
	if n := testing.AllocsPerRun(1, func() {
		if _, err := Decode(b); !errors.Is(err, ErrUnsupported) {
			t.Errorf("error %v", err)
		}
	}); n > 100 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(picture(f, 17, 9, 50, false))
	f.Add(picture(f, 9, 17, 90, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := Decode(b)
		if (img == nil) != (err != nil) {
			t.Errorf("%v, %v", img, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	file := picture(b, 300, 300, 90, false)
	b.Run("zaq", func(b *testing.B) {
		for b.Loop() {
			if _, err := Decode(file); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("image", func(b *testing.B) {
		for b.Loop() {
			if _, err := jpeg.Decode(bytes.NewReader(file)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
