package operator

import (
	"math"
	"slices"

	"zaq/internal/onnx"
)

func init() {
	register(map[string]function{"Resize": resize, "Upsample": resize})
}

// resize is Resize in the forms of opset 10 (asymmetric coordinates, scales), of 11 and of 18 on (axes, antialias), and
// Upsample, which came before it.
func resize(c *call) []*Tensor {
	x := c.arg(0)
	r := newResizing(c, x)
	if r.mode == "nearest" && r.coordinates != "tf_crop_and_resize" {
		return one(r.nearest(x))
	}
	// One axis after the other: each is a sum of a few elements with weights.
	y := x
	for a := range x.Shape {
		if r.identity(a) {
			continue
		}
		y = r.along(y, a)
	}
	return one(y)
}

// resizing is how a Resize maps output to input coordinates.
type resizing struct {
	in, out           []int
	scale             []float64
	roi               []float32
	mode, coordinates string
	rounding          string
	cubic             float64
	exclude           bool
	antialias         bool
	outside           float64
}

func newResizing(c *call, x *Tensor) *resizing {
	rank := len(x.Shape)
	r := &resizing{
		in: x.Shape, out: slices.Clone(x.Shape), scale: slices.Repeat([]float64{1}, rank),
		mode: c.text("mode", "nearest"), coordinates: "asymmetric", rounding: "floor", cubic: -0.75,
	}
	var scales, sizes *Tensor
	if c.node.OpType == "Upsample" || c.opset < 11 {
		scales = c.upsampleScales()
	} else {
		r.coordinates = c.text("coordinate_transformation_mode", "half_pixel")
		r.rounding = c.text("nearest_mode", "round_prefer_floor")
		r.cubic = c.attribute("cubic_coeff_a", -0.75)
		r.exclude, r.antialias = c.int("exclude_outside", 0) != 0, c.int("antialias", 0) != 0
		r.outside = c.attribute("extrapolation_value", 0)
		scales, sizes = bias(c, 2), bias(c, 3)
		if roi := bias(c, 1); roi != nil && r.coordinates == "tf_crop_and_resize" {
			r.roi = roi.Data
		}
	}
	list := make([]int, rank)
	for a := range list {
		list[a] = a
	}
	if some, ok := c.ints("axes"); ok && c.opset >= 18 {
		list = axes(some, rank)
	}
	if r.roi != nil && len(list) != rank {
		roi := make([]float32, 2*rank)
		for a := range rank {
			roi[rank+a] = 1
		}
		for i, a := range list {
			roi[a], roi[rank+a] = r.roi[i], r.roi[len(list)+i]
		}
		r.roi = roi
	}
	switch {
	case scales != nil && scales.Len() > 0:
		for i, a := range list {
			r.scale[a] = float64(scales.Data[i])
			extent := 1.0
			if r.roi != nil {
				extent = float64(r.roi[rank+a]) - float64(r.roi[a])
			}
			r.out[a] = int(math.Floor(float64(r.in[a]) * extent * r.scale[a]))
		}
	case sizes != nil && sizes.Len() > 0:
		r.fit(c, list, sizes.list())
	default:
		fail("has neither scales nor sizes")
	}
	return r
}

// fit takes the scales from sizes, which may only bound the output. They are rounded as scales in a file are.
func (r *resizing) fit(c *call, list, sizes []int) {
	policy := c.text("keep_aspect_ratio_policy", "stretch")
	common := math.Inf(1)
	if policy == "not_smaller" {
		common = math.Inf(-1)
	}
	for i, a := range list {
		r.out[a] = sizes[i]
		r.scale[a] = float64(float32(sizes[i]) / float32(r.in[a]))
		if policy == "not_smaller" {
			common = max(common, r.scale[a])
		} else {
			common = min(common, r.scale[a])
		}
	}
	if policy == "stretch" {
		return
	}
	for _, a := range list {
		r.scale[a] = common
		r.out[a] = int(math.Floor(common*float64(r.in[a]) + 0.5))
	}
}

// upsampleScales returns the scales of an Upsample (an attribute in opset 7) or of opset 10's Resize.
func (c *call) upsampleScales() *Tensor {
	if a := c.node.Attr("scales"); a != nil && c.opset < 9 {
		return Floats(a.Floats, len(a.Floats))
	}
	return c.arg(1)
}

func (r *resizing) identity(a int) bool {
	return r.in[a] == r.out[a] && r.scale[a] == 1 && r.coordinates != "tf_crop_and_resize"
}

// source returns the input coordinate of output i along an axis. Where the nearest element may be decided by the last
// bit, it is that of float32, in which runtimes compute.
func (r *resizing) source(a, i int) float64 {
	x, s := float64(i), r.scale[a]
	in, out := float64(r.in[a]), float64(r.out[a])
	switch r.coordinates {
	case "asymmetric":
		return float64(float32(x) / float32(s))
	case "half_pixel":
		return float64(float32(float32(x+0.5)/float32(s)) - 0.5)
	case "half_pixel_symmetric":
		adjust := float32(out) / float32(float32(s)*float32(in))
		offset := float32(float32(in/2) * float32(1-adjust))
		return float64(float32(offset+float32(float32(x+0.5)/float32(s))) - 0.5)
	case "pytorch_half_pixel":
		if r.out[a] <= 1 {
			return 0
		}
		return float64(float32(float32(x+0.5)/float32(s)) - 0.5)
	case "align_corners":
		if r.out[a] == 1 {
			return 0
		}
		last := in*s - 1 // of the output before it was rounded down
		if math.Abs(last-(out-1)) < 1e-3 {
			last = out - 1 // which was not: a ratio of sizes is none that a float32 holds
		}
		return float64(float32(x*(in-1)) / float32(last))
	case "tf_half_pixel_for_nn":
		return float64(float32(x+0.5) / float32(s))
	case "tf_crop_and_resize":
		if r.roi == nil {
			fail("tf_crop_and_resize without a region")
		}
		start, end := float64(r.roi[a]), float64(r.roi[len(r.in)+a])
		if r.out[a] > 1 {
			return start*(in-1) + x*(end-start)*(in-1)/(out-1)
		}
		return 0.5 * (start + end) * (in - 1)
	}
	fail("coordinate_transformation_mode %q", r.coordinates)
	return 0
}

// round is nearest_mode.
func (r *resizing) round(x float64) int {
	switch r.rounding {
	case "floor":
		return int(math.Floor(x))
	case "ceil":
		return int(math.Ceil(x))
	case "round_prefer_floor":
		return int(math.Ceil(x - 0.5))
	case "round_prefer_ceil":
		return int(math.Floor(x + 0.5))
	}
	fail("nearest_mode %q", r.rounding)
	return 0
}

func (r *resizing) nearest(x *Tensor) *Tensor {
	own := strides(r.in)
	places := make([]int, count(r.out))
	table := make([][]int, len(r.in))
	for a := range r.in {
		for i := range r.out[a] {
			from := i
			if !r.identity(a) {
				from = min(max(r.round(r.source(a, i)), 0), r.in[a]-1)
			}
			table[a] = append(table[a], from*own[a])
		}
	}
	for at := range places {
		rest := at
		for a := len(r.out) - 1; a >= 0; a-- {
			places[at] += table[a][rest%r.out[a]]
			rest /= r.out[a]
		}
	}
	return x.pick(r.out, places)
}

// along resizes one axis.
func (r *resizing) along(x *Tensor, a int) *Tensor {
	outer, n, inner := around(x, a)
	shape := slices.Clone(x.Shape)
	shape[a] = r.out[a]
	y := x.like(shape)
	for i := range r.out[a] {
		taps := r.taps(a, i)
		for o := range outer {
			for k := range inner {
				var sum float64
				for _, t := range taps {
					if t.at < 0 {
						sum = r.outside
						continue
					}
					sum += t.weight * x.at((o*n+t.at)*inner+k)
				}
				if y.Data == nil {
					sum = math.RoundToEven(sum)
				}
				y.set((o*r.out[a]+i)*inner+k, sum)
			}
		}
	}
	return y
}

// tap is an element of the input and its share of an output; at is -1 for the value outside.
type tap struct {
	at     int
	weight float64
}

func (r *resizing) taps(a, i int) []tap {
	x, d := r.source(a, i), r.in[a]
	if r.coordinates == "tf_crop_and_resize" && (x < 0 || x > float64(d-1)) {
		return []tap{{-1, 1}}
	}
	if r.mode == "nearest" {
		return []tap{{min(max(r.round(x), 0), d-1), 1}}
	}
	// The filter is stretched where an antialiased output is smaller than its input.
	reach, filter := 1.0, func(t float64) float64 { return max(0, 1-math.Abs(t)) }
	if r.mode == "cubic" {
		reach, filter = 2, r.cubicFilter
	}
	stretch := 1.0
	if r.antialias && r.scale[a] < 1 {
		stretch = 1 / r.scale[a]
	}
	var taps []tap
	var sum float64
	for k := int(math.Floor(x - reach*stretch)); k <= int(math.Ceil(x+reach*stretch)); k++ {
		w := filter((float64(k) - x) / stretch)
		if w == 0 || r.exclude && (k < 0 || k >= d) {
			continue
		}
		taps = append(taps, tap{min(max(k, 0), d-1), w})
		sum += w
	}
	for j := range taps {
		taps[j].weight /= sum
	}
	return taps
}

// cubicFilter is Keys' convolution kernel.
func (r *resizing) cubicFilter(t float64) float64 {
	a := r.cubic
	switch t = math.Abs(t); {
	case t <= 1:
		return ((a+2)*t-(a+3))*t*t + 1
	case t < 2:
		return ((a*t-5*a)*t+8*a)*t - 4*a
	}
	return 0
}

// Tap is an element of the input and its share of an element of the output.
type Tap struct {
	At     int
	Weight float32
}

// Resized returns the scales of all axes by which a Resize works, whether it has them or sizes, and the sizes that they make of
// an input of the given shape. in are the inputs of the node; the first is not looked at.
func Resized(n *onnx.Node, opset int64, shape []int, in []*Tensor) (scales []float64, sizes []int, err error) {
	defer recovered(&err)
	r := newResizing(&call{n, opset, in}, &Tensor{Shape: shape})
	return r.scale, r.out, nil
}

// Taps returns what a Resize or Upsample does along each axis of an input of the given shape: for every index of the
// output those of the input that make it. An axis that stays as it is has none. in are the inputs of the node; the
// first is not looked at.
func Taps(n *onnx.Node, opset int64, shape []int, in []*Tensor) (taps [][][]Tap, err error) {
	defer recovered(&err)
	r := newResizing(&call{n, opset, in}, &Tensor{Shape: shape})
	for a := range shape {
		var axis [][]Tap
		for i := range r.out[a] {
			if r.identity(a) {
				break
			}
			var index []Tap
			for _, t := range r.taps(a, i) {
				if t.at < 0 {
					fail("it reads outside of its input")
				}
				index = append(index, Tap{t.at, float32(t.weight)})
			}
			axis = append(axis, index)
		}
		taps = append(taps, axis)
	}
	return taps, nil
}
