package method

import (
	"fmt"

	"zaq/internal/dataset"
	"zaq/internal/preprocess"
	"zaq/internal/random"
)

// batches cuts a labelled set into batches of augmented images, anew in every epoch.
type batches struct {
	set      *dataset.Set
	pixels   *preprocess.Spec
	seed     uint64
	perEpoch int

	labels  []int   // of the batch
	images  []uint8 // of the batch, augmented
	order   []int   // of the images in the epoch
	ordered int     // epoch that order is of; -1: none
}

// cropPad is by how many pixels an image is padded before a part of its size is cut out at random.
const cropPad = 4

func newBatches(set *dataset.Set, pixels *preprocess.Spec, batch int, seed uint64) (*batches, error) {
	if err := pixels.CheckImages(set.H, set.W, set.C); err != nil {
		return nil, fmt.Errorf("data set %s: %w", set.Name, err)
	}
	if len(set.Labels) != set.N {
		return nil, fmt.Errorf("data set %s has no labels", set.Name)
	}
	if batch < 1 || set.N < batch {
		return nil, fmt.Errorf("batches of %d from %d images of %s", batch, set.N, set.Name)
	}
	return &batches{
		set: set, pixels: pixels, seed: seed, perEpoch: set.N / batch,
		labels: make([]int, batch), images: make([]uint8, batch*set.H*set.W*set.C), ordered: -1,
	}, nil
}

// fill makes the network's input dst [batch,H,W,C], and labels, of a step. They depend on seed and step alone.
func (b *batches) fill(dst []float32, step int) {
	if epoch := step / b.perEpoch; epoch != b.ordered {
		b.order, b.ordered = random.New(b.seed, uint64(epoch), "shuffle").Perm(b.set.N), epoch
	}
	first := step % b.perEpoch * len(b.labels)
	size := b.set.H * b.set.W * b.set.C
	r := random.New(b.seed, uint64(step), "augment")
	for i := range b.labels {
		image := b.order[first+i]
		b.labels[i] = b.set.Labels[image]
		b.augment(b.images[i*size:(i+1)*size], b.set.Image(image), r.At(i))
	}
	b.pixels.Apply(dst, b.images, len(b.labels))
}

// augment shifts an image by up to cropPad pixels each way, which brings black in, and mirrors every second
// one: random crop and horizontal flip of He et al. (2016, section 4.2).
func (b *batches) augment(dst, src []uint8, r *random.Stream) {
	h, w, c := b.set.H, b.set.W, b.set.C
	dy, dx := r.Intn(2*cropPad+1)-cropPad, r.Intn(2*cropPad+1)-cropPad
	mirror := r.Intn(2) == 1
	clear(dst)
	for y := range h {
		from := y + dy
		if from < 0 || from >= h {
			continue
		}
		x0, x1 := max(0, -dx), min(w, w-dx) // columns of dst that src has
		if x0 >= x1 {
			continue
		}
		row := dst[y*w*c : (y+1)*w*c]
		copy(row[x0*c:x1*c], src[(from*w+x0+dx)*c:])
		if mirror {
			mirrorRow(row, c)
		}
	}
}

func mirrorRow(row []uint8, channels int) {
	for i, j := 0, len(row)-channels; i < j; i, j = i+channels, j-channels {
		for c := range channels {
			row[i+c], row[j+c] = row[j+c], row[i+c]
		}
	}
}
