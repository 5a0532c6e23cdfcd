// Package detect reads boxes from the outputs of detectors, and scores them against those that people drew.
//
// Boxes are fractions of the image, from its upper left corner: whoever stretched it to the network's size needs not
// know how large it was.
package detect

import (
	"cmp"
	"math"
	"slices"
)

// Box is a rectangle, in fractions of the image.
type Box struct{ XMin, YMin, XMax, YMax float64 }

// Detection is an object that a network found.
type Detection struct {
	Class int
	Score float64 // 0 to 1
	Box   Box
}

// IoU returns the area that two boxes share over the area that they cover; 0 where they cover none.
func IoU(a, b Box) float64 {
	w := min(a.XMax, b.XMax) - max(a.XMin, b.XMin)
	h := min(a.YMax, b.YMax) - max(a.YMin, b.YMin)
	if !(w > 0 && h > 0) {
		return 0
	}
	shared := w * h
	return shared / (a.area() + b.area() - shared)
}

func (b Box) area() float64 { return (b.XMax - b.XMin) * (b.YMax - b.YMin) }

// clip returns the part of the box that lies in the image.
func (b Box) clip() Box {
	unit := func(v float64) float64 { return min(max(v, 0), 1) }
	return Box{unit(b.XMin), unit(b.YMin), unit(b.XMax), unit(b.YMax)}
}

// finite reports whether all sides are numbers.
func (b Box) finite() bool {
	return !math.IsNaN(b.XMin+b.YMin+b.XMax+b.YMax) && !math.IsInf(b.XMin+b.YMin+b.XMax+b.YMax, 0)
}

// Suppress is greedy non-maximum suppression: of detections of one class whose boxes overlap by more than iou it keeps
// the one with the largest score. The result is in falling order of scores; equal ones keep theirs.
func Suppress(found []Detection, iou float64) []Detection {
	sorted := slices.Clone(found)
	slices.SortStableFunc(sorted, byScore)
	var kept []Detection
	for _, d := range sorted {
		if !slices.ContainsFunc(kept, func(k Detection) bool { return k.Class == d.Class && IoU(k.Box, d.Box) > iou }) {
			kept = append(kept, d)
		}
	}
	return kept
}

// byScore puts larger scores first.
func byScore(a, b Detection) int { return cmp.Compare(b.Score, a.Score) }
