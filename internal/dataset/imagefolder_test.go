package dataset

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zaq/internal/realdata"
)

func pngOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// plain is a PNG of one colour.
func plain(t *testing.T, h, w int, c color.NRGBA) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, c)
		}
	}
	return pngOf(t, img)
}

func TestImageFolderOfClasses(t *testing.T) {
	dir := t.TempDir()
	red, green := plain(t, 2, 3, color.NRGBA{200, 1, 2, 255}), plain(t, 2, 3, color.NRGBA{3, 100, 4, 255})
	write(t, filepath.Join(dir, "dog", "b.png"), red)
	write(t, filepath.Join(dir, "dog", "a.PNG"), green)
	write(t, filepath.Join(dir, "cat", "z.png"), red)
	write(t, filepath.Join(dir, "cat", "notes.txt"), []byte("no image"))
	write(t, filepath.Join(dir, "emu", ".hidden.png"), []byte("no image"))
	write(t, filepath.Join(dir, ".cache", "x.png"), []byte("no image"))
	for _, split := range []Split{Test, Train} {
		s, err := Open("imagefolder:"+dir, split)
		if err != nil {
			t.Fatal(err)
		}
		if !whole(t, "imagefolder:"+dir, split) {
			t.Errorf("%v: the folder has no parts", split)
		}
		if s.N != 3 || s.H != 2 || s.W != 3 || s.C != 3 || s.Name != filepath.Base(dir) ||
			!slices.Equal(s.Labels, []int{0, 1, 1}) || !slices.Equal(s.Classes, []string{"cat", "dog", "emu"}) {
			t.Errorf("%v: got %+v", split, s)
		}
		if got := s.Image(1)[:3]; !bytes.Equal(got, []byte{3, 100, 4}) {
			t.Errorf("a.PNG has pixel %v", got)
		}
	}
}

func TestImageFolderWithSplits(t *testing.T) {
	for _, test := range []string{"test", "val"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "train", "cat", "1.png"), plain(t, 1, 1, color.NRGBA{1, 1, 1, 255}))
		write(t, filepath.Join(dir, test, "cat", "2.png"), plain(t, 1, 1, color.NRGBA{2, 2, 2, 255}))
		for split, want := range map[Split]uint8{Train: 1, Test: 2} {
			s, err := Open("imagefolder:"+dir, split)
			if whole(t, "imagefolder:"+dir, split) {
				t.Errorf("%s: %v is not all that is there", test, split)
			}
			if err != nil || s.N != 1 || s.Pixels[0] != want || !slices.Equal(s.Classes, []string{"cat"}) {
				t.Errorf("%s: %v: %+v, %v", test, split, s, err)
			}
		}
	}
	dir := t.TempDir() // a class may be called so
	write(t, filepath.Join(dir, "train", "1.png"), plain(t, 1, 1, color.NRGBA{1, 1, 1, 255}))
	write(t, filepath.Join(dir, "sheep", "1.png"), plain(t, 1, 1, color.NRGBA{2, 2, 2, 255}))
	if s, err := Open("imagefolder:"+dir, Test); err != nil || !slices.Equal(s.Classes, []string{"sheep", "train"}) {
		t.Errorf("class train: %+v, %v", s, err)
	}
}

// whole reports whether a set says that it is all there is.
func whole(t *testing.T, spec string, split Split) bool {
	t.Helper()
	s, err := OpenSource(spec, split)
	if err != nil {
		t.Fatal(err)
	}
	return s.Whole
}

func TestFlatImageFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "photos")
	img := plain(t, 1, 2, color.NRGBA{9, 8, 7, 255})
	write(t, filepath.Join(dir, "b.png"), img)
	write(t, filepath.Join(dir, "a.png"), img)
	s, err := Open("imagefolder:"+dir, Test)
	if err != nil || s.N != 2 || s.Labels != nil || s.Classes != nil {
		t.Fatalf("unlabelled: %+v, %v", s, err)
	}
	write(t, dir+"_labels.csv", []byte("file,name,class_index\nb.png,x,7\na.png,y,4\nc.png,z,1\n"))
	if s, err := Open("imagefolder:"+dir, Test); err != nil || !slices.Equal(s.Labels, []int{4, 7}) {
		t.Errorf("labels beside it: %+v, %v", s, err)
	}
	inside := filepath.Join(dir, "labels.csv")
	for text, want := range map[string]string{
		"":                              "labels.csv: empty",
		"a,b\n":                         `want "file"`,
		"file,b\n":                      `no column "class_index" or "label"`,
		"file,class_index\na.png,1\n":   "no row for b.png",
		"file,class_index\na.png,x\n":   `row 2: class_index is "x"`,
		"file,class_index\na.png,-1\n":  `row 2: class_index is "-1"`,
		"file,class_index\na.png\n":     "wrong number of fields",
		"file,class_index\n\"a.png,1\n": "labels.csv: ",
	} {
		write(t, inside, []byte(text))
		fails(t, "imagefolder:"+dir, Test, want)
	}
}

func TestImageFolderRefused(t *testing.T) {
	dir := t.TempDir()
	fails(t, "imagefolder:"+dir, Test, "no JPEG or PNG files")
	write(t, filepath.Join(dir, "empty", "x.txt"), nil)
	fails(t, "imagefolder:"+dir, Test, "no JPEG or PNG files")

	good := plain(t, 4, 5, color.NRGBA{1, 2, 3, 255})
	write(t, filepath.Join(dir, "a.png"), good)
	for name, test := range map[string]struct {
		b    []byte
		want string
	}{
		"other size": {plain(t, 5, 4, color.NRGBA{1, 2, 3, 255}), "z.png is 5x4 (height x width), "},
		"no image":   {[]byte("text"), "z.png: image: unknown format"},
		"empty":      {nil, "z.png: image: unknown format"},
		"truncated":  {good[:len(good)-20], "z.png: "},
		"huge":       {hugePNG(), "z.png is 1048576x1048576: empty or too large"},
	} {
		write(t, filepath.Join(dir, "z.png"), test.b)
		t.Run(name, func(t *testing.T) { fails(t, "imagefolder:"+dir, Test, test.want) })
	}
	fails(t, "imagefolder:"+filepath.Join(dir, "a.png"), Test, "a.png")
}

// hugePNG is the beginning of a PNG of 2^40 pixels.
func hugePNG() []byte {
	chunk := []byte("IHDR")
	chunk = binary.BigEndian.AppendUint32(chunk, 1<<20)
	chunk = binary.BigEndian.AppendUint32(chunk, 1<<20)
	chunk = append(chunk, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	return binary.BigEndian.AppendUint32(append(b, chunk...), crc32.ChecksumIEEE(chunk))
}

func TestWriteRGB(t *testing.T) {
	nrgba := image.NewNRGBA(image.Rect(3, 4, 5, 5))
	nrgba.SetNRGBA(3, 4, color.NRGBA{10, 20, 30, 255})
	nrgba.SetNRGBA(4, 4, color.NRGBA{40, 50, 60, 0}) // a colour that nobody sees is still the colour
	gray := image.NewGray(image.Rect(1, 1, 3, 2))
	gray.Pix = []uint8{7, 250}
	palette := image.NewPaletted(image.Rect(0, 0, 2, 1), color.Palette{color.NRGBA{1, 2, 3, 255}, color.NRGBA{4, 5, 6, 255}})
	palette.Pix = []uint8{1, 0}
	deep := image.NewGray16(image.Rect(0, 0, 2, 1))
	deep.SetGray16(0, 0, color.Gray16{0x1234})
	for name, test := range map[string]struct {
		img  image.Image
		want []uint8
	}{
		"nrgba":   {nrgba, []uint8{10, 20, 30, 40, 50, 60}},
		"gray":    {gray, []uint8{7, 7, 7, 250, 250, 250}},
		"palette": {palette, []uint8{4, 5, 6, 1, 2, 3}},
		"16 bits": {deep, []uint8{0x12, 0x12, 0x12, 0, 0, 0}},
	} {
		got := make([]uint8, 6)
		writeRGB(got, test.img)
		if !bytes.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// Colour is interpolated between its samples: a JPEG's step from dark to bright red is a ramp of
// 1/4 and 3/4 where colour has half the resolution, and a step where it has all or less.
func TestWriteYCbCr(t *testing.T) {
	for _, test := range []struct {
		ratio image.YCbCrSubsampleRatio
		want  []uint8 // Cr along a row of 7 pixels whose samples step from 128 to 168
	}{
		{image.YCbCrSubsampleRatio444, []uint8{128, 128, 128, 128, 168, 168, 168}},
		{image.YCbCrSubsampleRatio440, []uint8{128, 128, 128, 128, 168, 168, 168}},
		{image.YCbCrSubsampleRatio422, []uint8{128, 128, 128, 138, 158, 168, 168}},
		{image.YCbCrSubsampleRatio420, []uint8{128, 128, 128, 138, 158, 168, 168}},
		{image.YCbCrSubsampleRatio411, []uint8{128, 128, 128, 128, 168, 168, 168}},
		{image.YCbCrSubsampleRatio410, []uint8{128, 128, 128, 128, 168, 168, 168}},
	} {
		for _, height := range []int{1, 2, 3, 5} {
			img := image.NewYCbCr(image.Rect(0, 0, 7, height), test.ratio)
			for i := range img.Y {
				img.Y[i] = 100
			}
			for i := range img.Cb {
				img.Cb[i], img.Cr[i] = 128, 128
			}
			for y := range height {
				for x := 4; x < 7; x++ {
					img.Cr[img.COffset(x, y)] = 168
				}
			}
			got := make([]uint8, 7*height*3)
			writeRGB(got, img)
			for i := range 7 * height {
				if want := rgbOf(100, 128, float64(test.want[i%7])); !bytes.Equal(got[3*i:3*i+3], want) {
					t.Fatalf("%v, height %d: pixel %d is %v, want %v", test.ratio, height, i, got[3*i:3*i+3], want)
				}
			}
		}
	}
	column := image.NewYCbCr(image.Rect(0, 0, 1, 4), image.YCbCrSubsampleRatio440)
	copy(column.Cr, []uint8{128, 170})
	copy(column.Cb, []uint8{128, 128})
	got := make([]uint8, 12)
	writeRGB(got, column)
	for y, cr := range []float64{128, 139, 159, 170} { // 138.5 and 159.5, of which one is rounded up
		if want := rgbOf(0, 128, cr); !bytes.Equal(got[3*y:3*y+3], want) {
			t.Errorf("row %d is %v, want %v", y, got[3*y:3*y+3], want)
		}
	}
}

// rgbOf is the conversion of ITU-R BT.601 as JPEG has it.
func rgbOf(y, cb, cr float64) []uint8 {
	var rgb []uint8
	for _, v := range []float64{y + 1.402*(cr-128), y - 0.344136*(cb-128) - 0.714136*(cr-128), y + 1.772*(cb-128)} {
		rgb = append(rgb, uint8(min(max(math.Round(v), 0), 255)))
	}
	return rgb
}

func TestJPEG(t *testing.T) {
	dir := t.TempDir()
	img := image.NewNRGBA(image.Rect(0, 0, 17, 9))
	for i := range img.Pix {
		img.Pix[i] = []uint8{180, 90, 40, 255}[i%4]
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "x.JPEG"), b.Bytes())
	s, err := Open("imagefolder:"+dir, Test)
	if err != nil || s.H != 9 || s.W != 17 {
		t.Fatalf("%+v, %v", s, err)
	}
	for i, v := range s.Pixels {
		if want := []uint8{180, 90, 40}[i%3]; max(v, want)-min(v, want) > 3 {
			t.Fatalf("value %d is %d, want %d", i, v, want)
		}
	}
}

func TestSharedImageFolders(t *testing.T) {
	data := realdata.Path(t)
	s, err := Open("imagefolder:"+filepath.Join(data, "imagenet", "openimages150"), Test)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(data, "imagenet", "openimages150_labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if s.N != 150 || len(rows) != 151 || s.H != 224 || s.W != 224 || s.Labels[0] != 472 || s.Labels[1] != 928 {
		t.Errorf("%d images of %dx%d, labels %v...", s.N, s.H, s.W, s.Labels[:2])
	}
	fails(t, "imagefolder:"+filepath.Join(data, "detection", "voc100", "images"), Test, "must share a size")
}

// Pixels are those from which the published results were computed.
func TestSharedPixels(t *testing.T) {
	data := realdata.Path(t)
	img, err := ReadImage(filepath.Join(data, "imagenet", "sample500", "0000_n01440764.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(data, "expected", "mobilenet_v1_0.75_224_imagenet", "input.f32"))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range img.Pixels {
		at := 4 * (i%3*224*224 + i/3)
		want := (float64(math.Float32frombits(binary.LittleEndian.Uint32(b[at:]))) + 1) * 127.5
		if math.Abs(float64(v)-want) > 1e-3 {
			t.Fatalf("value %d is %d, want %v", i, v, want)
		}
	}
}
