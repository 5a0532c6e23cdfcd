package detect

import (
	"fmt"
	"math"
)

// yolo reads a head of YOLOv3 (Redmon and Farhadi, arXiv 1804.02767): raw outputs of the last convolution, at each of
// H x W cells and for each anchor tx, ty, tw, th, the objectness and a number for each class:
//
//	cx = (sigmoid(tx)*s - (s-1)/2 + column) / W    cy likewise
//	w  = exp(tw) * anchor / width of the input     h likewise
//	score of a class = sigmoid(objectness) * sigmoid(class)
//
// with s the scale that later darknets stretch the centre by, so that it reaches the border of its cell.
func (c *collector) yolo(head Head, o Output, size [2]int) error {
	anchors := len(head.Anchors)
	if len(o.Shape) != 3 || o.Shape[0]%anchors != 0 || o.Shape[0]/anchors < 6 || o.Shape[0]*o.Shape[1]*o.Shape[2] != len(o.Data) {
		return fmt.Errorf("output %q has shape %v, want [%d*(5+classes), H, W]", head.Output, o.Shape, anchors)
	}
	fields, h, w := o.Shape[0]/anchors, o.Shape[1], o.Shape[2]
	if h != size[0]/head.Stride || w != size[1]/head.Stride {
		return fmt.Errorf("output %q has %dx%d cells, and stride %d gives %dx%d of the input %dx%d",
			head.Output, h, w, head.Stride, size[0]/head.Stride, size[1]/head.Stride, size[0], size[1])
	}
	s, cells := head.ScaleXY, h*w
	for a, anchor := range head.Anchors {
		planes := o.Data[a*fields*cells : (a+1)*fields*cells]
		for cell := range cells {
			at := func(field int) float32 { return planes[field*cells+cell] }
			object := sigmoid(at(4))
			if !(object > c.threshold) {
				continue
			}
			for class := range fields - 5 {
				c.add(class, object*sigmoid(at(5+class)), func() Box {
					cx := (sigmoid(at(0))*s - (s-1)/2 + float64(cell%w)) / float64(w)
					cy := (sigmoid(at(1))*s - (s-1)/2 + float64(cell/w)) / float64(h)
					bw := math.Exp(float64(at(2))) * anchor[0] / float64(size[1])
					bh := math.Exp(float64(at(3))) * anchor[1] / float64(size[0])
					return Box{cx - bw/2, cy - bh/2, cx + bw/2, cy + bh/2}
				})
			}
		}
	}
	return nil
}
