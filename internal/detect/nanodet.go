package detect

import (
	"fmt"
	"math"
)

// nanodet reads a head of NanoDet, whose boxes are those of generalized focal loss (Li et al., arXiv 2006.04388): for each
// position scores of the classes, 0 to 1, and for each of the left, top, right and bottom side a distribution over bins.
// The distance of a side is stride * sum(softmax(bins) * (0, 1, 2, ...)) from the centre, which is
// index*stride + (stride-1)/2 in pixels of the input.
func (c *collector) nanodet(head Head, bins int, scores, boxes Output, size [2]int) error {
	h, w := (size[0]+head.Stride-1)/head.Stride, (size[1]+head.Stride-1)/head.Stride
	n, classes, err := rows(scores)
	if err != nil || n != h*w {
		return fmt.Errorf("output %q has shape %v, want [%d, classes]", head.Scores, scores.Shape, h*w)
	}
	if m, width, err := rows(boxes); err != nil || m != n || width != 4*bins {
		return fmt.Errorf("output %q has shape %v, want [%d, %d]", head.Boxes, boxes.Shape, n, 4*bins)
	}
	stride := float64(head.Stride)
	for i := range n {
		for class := range classes {
			c.add(class, float64(scores.Data[i*classes+class]), func() Box {
				x, y := float64(i%w)*stride+(stride-1)/2, float64(i/w)*stride+(stride-1)/2
				var d [4]float64
				for side := range d {
					d[side] = stride * expectation(boxes.Data[(i*4+side)*bins:][:bins])
				}
				width, height := float64(size[1]), float64(size[0])
				return Box{(x - d[0]) / width, (y - d[1]) / height, (x + d[2]) / width, (y + d[3]) / height}
			})
		}
	}
	return nil
}

// expectation returns the mean index under the softmax of logits.
func expectation(logits []float32) float64 {
	most := logits[0]
	for _, v := range logits {
		most = max(most, v)
	}
	var sum, mean float64
	for i, v := range logits {
		p := math.Exp(float64(v) - float64(most))
		sum += p
		mean += p * float64(i)
	}
	return mean / sum
}
