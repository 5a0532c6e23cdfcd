package preprocess

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"zaq/internal/oracle"
)

// picture is an image [h,w,c] with slopes, edges and noise.
func picture(h, w, c int) []uint8 {
	rng := rand.New(rand.NewPCG(uint64(h), uint64(w)))
	p := make([]uint8, h*w*c)
	for i := range p {
		x, y := i/c%w, i/c/w
		switch v := x*255/w + i%c*40; {
		case (x/5+y/3)%4 == 0:
			p[i] = 255 * uint8(y%2)
		case rng.IntN(7) == 0:
			p[i] = uint8(rng.Uint32())
		default:
			p[i] = uint8(v)
		}
	}
	return p
}

// pillow resizes raw images: arguments are a folder and then, for each, its number, mode, sizes before and after.
const pillow = `
import sys
from PIL import Image
folder, cases = sys.argv[1], sys.argv[2:]
for case in cases:
    n, mode, h, w, to_h, to_w = case.split(",")
    pixels = open(f"{folder}/{n}.raw", "rb").read()
    image = Image.frombytes(mode, (int(w), int(h)), pixels)
    image = image.resize((int(to_w), int(to_h)), Image.BILINEAR)
    open(f"{folder}/{n}.out", "wb").write(image.tobytes())
`

// Resizing gives the bytes of Pillow's antialiased bilinear filter, up and down, for even and odd sizes.
func TestResizeAgainstPillow(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		h, w, c int
		to      [2]int
	}{
		{1, 1, 3, [2]int{5, 7}},
		{2, 3, 1, [2]int{1, 1}},
		{7, 5, 3, [2]int{7, 5}},
		{7, 5, 3, [2]int{7, 11}},
		{7, 5, 3, [2]int{3, 5}},
		{31, 33, 3, [2]int{32, 32}},
		{64, 64, 3, [2]int{32, 32}},
		{375, 500, 3, [2]int{320, 320}},
		{333, 217, 3, [2]int{416, 416}},
		{500, 375, 3, [2]int{96, 97}},
		{127, 300, 1, [2]int{240, 320}},
		{1001, 3, 3, [2]int{2, 1001}},
	}
	var cases []string
	for i, test := range tests {
		mode := "RGB"
		if test.c == 1 {
			mode = "L"
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".raw")), picture(test.h, test.w, test.c), 0o600); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, fmt.Sprintf("%d,%s,%d,%d,%d,%d", i, mode, test.h, test.w, test.to[0], test.to[1]))
	}
	script := filepath.Join(dir, "pillow.py")
	if err := os.WriteFile(script, []byte(pillow), 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.RunPython(t, "PIL", script, append([]string{dir}, cases...)...)
	for i, test := range tests {
		want, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i, ".out")))
		if err != nil {
			t.Fatal(err)
		}
		got := Resize(picture(test.h, test.w, test.c), test.h, test.w, test.c, test.to)
		if len(got) != len(want) {
			t.Fatalf("%+v: %d bytes, want %d", test, len(got), len(want))
		}
		other := 0
		for j := range got {
			if got[j] != want[j] {
				other++
			}
		}
		if other > 0 {
			t.Errorf("%+v: %d of %d bytes differ from Pillow's", test, other, len(want))
		}
	}
}

// A network of gray images sees of colored ones what Pillow's convert("L") does.
func TestBrightnessAgainstPillow(t *testing.T) {
	dir := t.TempDir()
	rgb := picture(61, 43, 3)
	script, raw := filepath.Join(dir, "pillow.py"), filepath.Join(dir, "raw")
	if err := errors.Join(os.WriteFile(raw, rgb, 0o600), os.WriteFile(script, []byte(`
import sys
from PIL import Image
raw = sys.argv[1]
open(raw + ".out", "wb").write(Image.frombytes("RGB", (43, 61), open(raw, "rb").read()).convert("L").tobytes())
`), 0o600)); err != nil {
		t.Fatal(err)
	}
	oracle.RunPython(t, "PIL", script, raw)
	want, err := os.ReadFile(raw + ".out")
	if err != nil {
		t.Fatal(err)
	}
	gray := Spec{Scale: 1, Mean: []float64{0}, Std: []float64{1}, Color: "gray"}
	got, err := gray.Fit(rgb, 61, 43)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v; equal: %v", err, bytes.Equal(got, want))
	}
}

// A constant image stays what it is, and halving averages with the weights 1, 3, 3, 1.
func TestResizeByHand(t *testing.T) {
	for _, to := range [][2]int{{1, 1}, {3, 8}, {17, 2}} {
		got := Resize(bytes.Repeat([]byte{7, 250}, 5*4), 5, 4, 2, to)
		if !bytes.Equal(got, bytes.Repeat([]byte{7, 250}, to[0]*to[1])) {
			t.Errorf("to %v: %v", to, got)
		}
	}
	got := Resize([]uint8{0, 0, 80, 80, 80, 80, 0, 0}, 1, 8, 1, [2]int{1, 4})
	if want := []uint8{11, 70, 70, 11}; !bytes.Equal(got, want) { // at the border, 0 and 80 with weights 3, 3, 1 of 7
		t.Errorf("halved: %v, want %v", got, want)
	}
}

func TestFit(t *testing.T) {
	s := imagenet()
	img := picture(32, 32, 3)
	if got, err := s.Fit(img, 32, 32); err != nil || &got[0] != &img[0] {
		t.Errorf("an image that fits was touched: %v", err)
	}
	if _, err := s.Fit(picture(30, 32, 3), 30, 32); err == nil {
		t.Error("an image of another size was taken without a resize")
	}
	s.Resize = "stretch"
	if got, err := s.Fit(picture(9, 70, 3), 9, 70); err != nil || !bytes.Equal(got, Resize(picture(9, 70, 3), 9, 70, 3, s.Size)) {
		t.Errorf("stretch: %v", err)
	}

	// 300x400 becomes 256x341, of which 224x224 from row 16, column 58 are kept (58.5 to even).
	s.Resize, s.Size = "crop", [2]int{224, 224}
	img = picture(300, 400, 3)
	got, err := s.Fit(img, 300, 400)
	if err != nil {
		t.Fatal(err)
	}
	whole := Resize(img, 300, 400, 3, [2]int{256, 341})
	for y := range 224 {
		if !bytes.Equal(got[y*224*3:(y+1)*224*3], whole[((y+16)*341+58)*3:][:224*3]) {
			t.Fatalf("crop: row %d", y)
		}
	}
	for _, size := range [][2]int{{1, 1}, {3, 1000}, {1000, 3}, {256, 257}} {
		s.Size = [2]int{17, 32}
		if got, err := s.Fit(picture(size[0], size[1], 3), size[0], size[1]); err != nil || len(got) != 17*32*3 {
			t.Errorf("crop of %v: %d bytes, %v", size, len(got), err)
		}
	}
}
