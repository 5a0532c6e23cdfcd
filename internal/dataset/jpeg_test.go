package dataset

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"zaq/internal/oracle"
)

// pillow writes JPEG files of all common kinds, and what Pillow reads of them.
const pillow = `
import sys, random
from PIL import Image, ImageFilter
folder = sys.argv[1]
random.seed(1)
n = 0
for w, h in [(1, 1), (2, 3), (4, 5), (7, 8), (8, 8), (16, 16), (17, 33), (40, 31), (101, 67)]:
    noise = Image.frombytes("RGB", (w, h), bytes(random.randrange(256) for _ in range(3 * w * h)))
    for image in noise, noise.filter(ImageFilter.GaussianBlur(2)):
        for options in (dict(subsampling=0, quality=95), dict(subsampling=1, quality=75), dict(subsampling=2, quality=92),
                        dict(subsampling=2, quality=30, optimize=True), dict(subsampling=2, quality=90, progressive=True),
                        dict(quality=80, gray=True)):
            name = f"{folder}/{n}"
            n += 1
            gray = options.pop("gray", False)
            (image.convert("L") if gray else image).save(name + ".jpg", **options)
            if gray: options["gray"] = True
            open(name + ".raw", "wb").write(Image.open(name + ".jpg").convert("RGB").tobytes())
`

// Pixels of JPEG files are those of Pillow, every one of them; those of progressive files, which image/jpeg decodes, to the
// rounding of its transform.
func TestJPEGAgainstPillow(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "pillow.py")
	if err := os.WriteFile(script, []byte(pillow), 0o600); err != nil {
		t.Fatal(err)
	}
	oracle.RunPython(t, "PIL", script, dir)
	for n := range 9 * 2 * 6 {
		img, err := readImage(filepath.Join(dir, fmt.Sprint(n, ".jpg")))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(n, ".raw")))
		if err != nil {
			t.Fatal(err)
		}
		if progressive := n%6 == 4; !progressive {
			if !bytes.Equal(img.Pixels, want) {
				t.Errorf("file %d, %dx%d: pixels differ from Pillow's", n, img.H, img.W)
			}
			continue
		}
		for i, v := range img.Pixels {
			if d := int(v) - int(want[i]); d > 4 || d < -4 {
				t.Errorf("file %d, %dx%d: value %d is %d, Pillow's %d", n, img.H, img.W, i, v, want[i])
				break
			}
		}
	}
}
