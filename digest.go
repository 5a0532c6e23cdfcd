package zaq

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"zaq/internal/dataset"
)

// TestImages are images that something is evaluated on, by their contents: what lies under one path may change.
type TestImages struct {
	Digest string // of all of them in order, with their labels

	n    int
	sums map[[sha256.Size]byte]bool
}

// SumTestImages reads the test images that spec stands for, the first limit of them or all.
func SumTestImages(spec string, limit int) (*TestImages, error) {
	set, err := openTestSource(spec)
	if err != nil {
		return nil, err
	}
	if limit > 0 {
		set = set.Subset(limit)
	}
	digest, images, err := sumImages(set)
	if err != nil {
		return nil, err
	}
	test := &TestImages{Digest: digest, n: set.N, sums: map[[sha256.Size]byte]bool{}}
	for _, s := range images {
		test.sums[s] = true
	}
	return test, nil
}

// OwnImages are the images of the user's own that Quantize looks at, for calibration or for training.
type OwnImages struct {
	Digest string // of all of them; "" where there are none
	Seen   int    // how many of them are test images, too
}

// OwnImages reads what Quantize would look at by o. More than a stray one in a hundred among the test images is an *OptionError:
// what is measured on images that a method has seen is not its accuracy.
func (m *Model) OwnImages(o Options, test *TestImages) (own OwnImages, err error) {
	images, err := m.calibrationImages(o.CalibrationDir)
	if err != nil {
		return own, err
	}
	own.Digest = digest(images)
	for _, source := range []struct{ option, value, spec string }{
		{"calib", o.CalibrationDir, "imagefolder:" + o.CalibrationDir},
		{"data", o.Data, o.Data},
	} {
		if source.value == "" {
			continue
		}
		set, err := dataset.OpenSource(source.spec, dataset.Train)
		if err != nil {
			return own, err
		}
		digest, images, err := sumImages(set)
		if err != nil {
			return own, err
		}
		if source.option == "data" { // others' digest is of what the network gets to see
			own.Digest += digest
		}
		seen := 0
		for _, s := range images {
			if test.sums[s] {
				seen++
			}
		}
		if seen > min(set.N, test.n)/100 {
			return own, &HintError{
				Err: &OptionError{source.option, source.value,
					fmt.Sprintf("%d of its %d images are among the %d test images", seen, set.N, test.n)},
				Advice: "what is measured on images that a method has seen is not its accuracy: give it others, or test on others",
			}
		}
		own.Seen += seen
	}
	return own, nil
}

// sumImages returns digests of each image with its size, and one of all of them in order, with their labels.
func sumImages(set *dataset.Source) (digest string, images [][sha256.Size]byte, err error) {
	images = make([][sha256.Size]byte, set.N)
	labelled := make([][sha256.Size]byte, set.N)
	err = set.Each(0, set.N, func(i int, img *dataset.Image) error {
		label := -1
		if set.Labels != nil {
			label = set.Labels[i]
		}
		images[i] = sumImage(img, img.H, img.W, img.C)
		labelled[i] = sumImage(img, label, img.H, img.W, img.C)
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	h := sha256.New()
	for _, s := range labelled {
		h.Write(s[:])
	}
	return hex.EncodeToString(h.Sum(nil)), images, nil
}

// sumImage is a digest of numbers and of the pixels behind them.
func sumImage(img *dataset.Image, head ...int) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, v := range head {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(v)))
	}
	h.Write(img.Pixels)
	h.Sum(sum[:0])
	return sum
}
