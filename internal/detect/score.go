package detect

import (
	"cmp"
	"math"
	"slices"
)

// Truth is an object that a person drew a box around.
type Truth struct {
	Class     int
	Box       Box
	Difficult bool // it neither counts where it is missed nor hurts where it is found
}

// AP is the average precision for one class.
type AP struct {
	Class int
	Boxes int // that count, not those that are difficult
	AP    float64
}

// Scorer compares what was found with the truth, image by image, as PASCAL VOC does since 2010 (Everingham et al., The
// PASCAL Visual Object Classes Challenge: A Retrospective, 2015): a detection is right where it overlaps an object of
// its class by at least iou, none else has found that object with a larger score, and it is the object that the
// detection overlaps most.
type Scorer struct {
	iou   float64
	boxes map[int]int   // by class, those that count
	hits  map[int][]hit // by class, in any order
}

// hit is a detection that was judged.
type hit struct {
	score float64
	right bool
}

// NewScorer returns one for a threshold, such as 0.5.
func NewScorer(iou float64) *Scorer {
	return &Scorer{iou: iou, boxes: map[int]int{}, hits: map[int][]hit{}}
}

// Add takes in an image: the objects in it, and what was found.
func (s *Scorer) Add(truth []Truth, found []Detection) {
	for _, t := range truth {
		if !t.Difficult {
			s.boxes[t.Class]++
		}
	}
	taken := make([]bool, len(truth))
	found = slices.Clone(found)
	slices.SortStableFunc(found, byScore)
	for _, d := range found {
		best, most := -1, math.Inf(-1)
		for i, t := range truth {
			if t.Class == d.Class {
				if overlap := IoU(t.Box, d.Box); overlap > most {
					best, most = i, overlap
				}
			}
		}
		right := false
		if best >= 0 && most >= s.iou {
			if truth[best].Difficult {
				continue
			}
			right = !taken[best]
			taken[best] = true
		}
		s.hits[d.Class] = append(s.hits[d.Class], hit{d.Score, right})
	}
}

// Result returns the average precision of every class with an object that counts, in the order of classes, and their
// mean, 0 where there is none.
func (s *Scorer) Result() (classes []AP, mean float64) {
	for class, boxes := range s.boxes {
		classes = append(classes, AP{class, boxes, averagePrecision(s.hits[class], boxes)})
	}
	slices.SortFunc(classes, func(a, b AP) int { return cmp.Compare(a.Class, b.Class) })
	for _, c := range classes {
		mean += c.AP / float64(len(classes))
	}
	return classes, mean
}

// averagePrecision is the area under the curve of precision over recall, made to fall: at each recall it is the largest
// precision at that recall or a higher one (all-point interpolation).
func averagePrecision(hits []hit, boxes int) float64 {
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	precision := make([]float64, len(hits))
	right := 0
	for i, h := range hits {
		if h.right {
			right++
		}
		precision[i] = float64(right) / float64(i+1)
	}
	area, best := 0.0, 0.0
	for i, h := range slices.Backward(hits) {
		best = max(best, precision[i])
		if h.right { // recall rises by one object here
			area += best / float64(boxes)
		}
	}
	return area
}
