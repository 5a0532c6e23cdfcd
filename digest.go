package zaq

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"zaq/internal/dataset"
)

// DataDigest names the test images that spec stands for, the first limit of them or all, with their labels: what lies under
// one path may change.
func DataDigest(spec string, limit int) (string, error) {
	set, err := openTestSource(spec)
	if err != nil {
		return "", err
	}
	if limit > 0 {
		set = set.Subset(limit)
	}
	return sourceDigest(set)
}

// ImagesDigest names the images of the user's own that Quantize would look at, for calibration or for training; it is ""
// where there are none.
func (m *Model) ImagesDigest(o Options) (string, error) {
	images, err := m.calibrationImages(o.CalibrationDir)
	if err != nil || o.Data == "" {
		return digest(images), err
	}
	set, err := dataset.OpenSource(o.Data, dataset.Train)
	if err != nil {
		return "", err
	}
	training, err := sourceDigest(set)
	return digest(images) + training, err
}

// sourceDigest is of each image, its size and its label, in order.
func sourceDigest(set *dataset.Source) (string, error) {
	sums := make([][sha256.Size]byte, set.N)
	err := set.Each(0, set.N, func(i int, img *dataset.Image) error {
		label := -1
		if set.Labels != nil {
			label = set.Labels[i]
		}
		var head []byte
		for _, v := range []int{label, img.H, img.W, img.C} {
			head = binary.LittleEndian.AppendUint64(head, uint64(v))
		}
		h := sha256.New()
		h.Write(head)
		h.Write(img.Pixels)
		h.Sum(sums[i][:0])
		return nil
	})
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, s := range sums {
		h.Write(s[:])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
