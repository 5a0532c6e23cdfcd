package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"

	"zaq/infer"
)

// Answer is the largest elements of an output for one image.
type Answer struct {
	Output string `json:"output"`
	Image  int    `json:"image"`
	Shape  []int  `json:"shape"` // of the output for one image
	Top    []Top  `json:"top"`
}

// Top is an element of an output.
type Top struct {
	Index int     `json:"index"`
	Class string  `json:"class,omitempty"`
	Value float32 `json:"value"`
}

// AnswerList is what a run says.
type AnswerList []Answer

// Answers picks the n largest elements of every output of every image. Classes may be nil.
func Answers(outputs []infer.Tensor, classes []string, n int) AnswerList {
	var all AnswerList
	for _, y := range outputs {
		images := y.Shape[0]
		each := len(y.Data) / max(images, 1)
		for i := range images {
			a := Answer{Output: y.Name, Image: i, Shape: y.Shape[1:]}
			values := y.Data[i*each : (i+1)*each]
			order := make([]int, each)
			for k := range order {
				order[k] = k
			}
			slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
			for _, k := range order[:min(n, each)] {
				t := Top{Index: k, Value: values[k]}
				if len(classes) == each {
					t.Class = classes[k]
				}
				a.Top = append(a.Top, t)
			}
			all = append(all, a)
		}
	}
	return all
}

// Write writes a table for each image.
func (l AnswerList) Write(w io.Writer) error {
	for i, a := range l {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if len(l) > 1 {
			fmt.Fprintf(w, "%s, image %d\n", a.Output, a.Image)
		}
		t := NewTable(">index", "class", ">"+a.Output)
		for _, v := range a.Top {
			t.Row(v.Index, v.Class, strconv.FormatFloat(float64(v.Value), 'g', 6, 32))
		}
		if _, err := t.WriteTo(w); err != nil {
			return err
		}
	}
	return nil
}
