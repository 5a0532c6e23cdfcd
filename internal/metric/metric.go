// Package metric measures what networks answer: how often they are right, and how often two of them agree.
//
// Logits are row-major, one row of classes for each image. Ties go to the lowest class and NaN counts as
// the largest value, as in NumPy and ONNX Runtime; but an answer that is NaN is never right.
package metric

import (
	"fmt"
	"math"
)

// Argmax returns the index of the largest value of row, the first of equal ones, or of the first NaN. It
// panics if row is empty.
func Argmax(row []float32) int {
	best := 0
	for i, v := range row {
		if above(v, row[best]) {
			best = i
		}
	}
	return best
}

// TopK counts the images whose label is among the k classes with the largest logits. Logits are
// [len(labels), classes]; another length panics. A label that is not a class is an error: the images are
// not of the data set that the network knows.
func TopK(logits []float32, classes int, labels []int, k int) (int, error) {
	if classes < 1 || len(logits) != classes*len(labels) {
		panic(fmt.Sprintf("metric: %d logits for %d labels and %d classes", len(logits), len(labels), classes))
	}
	right := 0
	for i, label := range labels {
		if label < 0 || label >= classes {
			return 0, fmt.Errorf("image %d has label %d, and the network %d classes", i, label, classes)
		}
		if rank(logits[i*classes:(i+1)*classes], label) < k {
			right++
		}
	}
	return right, nil
}

// Agreement returns the share of images, 0 to 1, that two networks put in the same class. Both slices are
// [images, classes]; other lengths panic. An image for which either answer is NaN is not agreed on, and
// no images agree fully.
func Agreement(a, b []float32, classes int) float64 {
	if classes < 1 || len(a) != len(b) || len(a)%classes != 0 {
		panic(fmt.Sprintf("metric: agreement of %d and %d logits, %d classes", len(a), len(b), classes))
	}
	images := len(a) / classes
	if images == 0 {
		return 1
	}
	same := 0
	for i := range images {
		x, y := a[i*classes:(i+1)*classes], b[i*classes:(i+1)*classes]
		if class := Argmax(x); class == Argmax(y) && !isNaN(x[class]) && !isNaN(y[class]) {
			same++
		}
	}
	return float64(same) / float64(images)
}

// MeanStd returns the mean of the values and their standard deviation, with n-1 in the denominator as for
// a few runs taken as a sample. One value has deviation 0; none have mean NaN.
func MeanStd(values []float64) (mean, std float64) {
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	if len(values) == 1 {
		return mean, 0
	}
	for _, v := range values {
		std += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(std / (n - 1))
}

// rank is the number of classes that come before class; a NaN comes after all.
func rank(row []float32, class int) int {
	own := row[class]
	if isNaN(own) {
		return len(row)
	}
	before := 0
	for i, v := range row {
		if above(v, own) || v == own && i < class {
			before++
		}
	}
	return before
}

func above(a, b float32) bool { return a > b || isNaN(a) && !isNaN(b) }

func isNaN(v float32) bool { return v != v }
