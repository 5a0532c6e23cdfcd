package operator

import (
	"math"
	"slices"

	"zaq/internal/onnx"
)

func init() {
	register(map[string]function{
		"Conv":              func(c *call) []*Tensor { return one(convolve(c, c.floats(0), c.floats(1), bias(c, 2))) },
		"ConvTranspose":     convTranspose,
		"MaxPool":           maxPool,
		"AveragePool":       averagePool,
		"LpPool":            lpPool,
		"GlobalAveragePool": func(c *call) []*Tensor { return one(global(c, total, true)) },
		"GlobalMaxPool": func(c *call) []*Tensor {
			return one(global(c, func(v []float64) float64 { return fold(v, math.Inf(-1), math.Max) }, false))
		},
		"GlobalLpPool": func(c *call) []*Tensor {
			p := float64(c.int("p", 2))
			return one(global(c, func(v []float64) float64 { return norm(v, p) }, false))
		},
	})
}

// window is a sliding window over the spatial axes of [N, C, ...].
type window struct {
	in, out                  []int // spatial sizes
	kernel, stride, dilation []int
	before                   []int // padding
	after                    []int // only where it counts: AveragePool
}

// spatial returns an attribute with one number for each spatial axis.
func (c *call) spatial(name string, axes, def int) []int {
	list, ok := c.ints(name)
	if !ok {
		return slices.Repeat([]int{def}, axes)
	}
	if len(list) != axes {
		fail("%s %v for %d spatial axes", name, list, axes)
	}
	return list
}

// window reads the attributes of a sliding window of the given kernel.
func (c *call) window(x *Tensor, kernel []int) *window {
	if len(x.Shape) < 3 || len(kernel) != len(x.Shape)-2 {
		fail("kernel %v for input %v", kernel, x.Shape)
	}
	n := len(kernel)
	w := &window{in: x.Shape[2:], kernel: kernel, stride: c.spatial("strides", n, 1), dilation: c.spatial("dilations", n, 1)}
	pads := c.spatial("pads", 2*n, 0)
	w.before, w.after = slices.Clone(pads[:n]), slices.Clone(pads[n:])
	ceil := c.int("ceil_mode", 0) != 0
	for i, d := range w.in {
		if w.stride[i] < 1 || w.dilation[i] < 1 {
			fail("stride %v, dilation %v", w.stride, w.dilation)
		}
		extent := (kernel[i]-1)*w.dilation[i] + 1
		switch mode := c.text("auto_pad", "NOTSET"); mode {
		case "VALID":
			w.before[i], w.after[i] = 0, 0
		case "SAME_UPPER", "SAME_LOWER":
			outputs := (d + w.stride[i] - 1) / w.stride[i]
			all := max(0, (outputs-1)*w.stride[i]+extent-d)
			w.before[i], w.after[i] = all/2, all-all/2
			if mode == "SAME_LOWER" {
				w.before[i], w.after[i] = w.after[i], w.before[i]
			}
		}
		room := d + w.before[i] + w.after[i] - extent
		if room < 0 {
			fail("a window of %d does not fit %v", extent, w.in)
		}
		outputs := room/w.stride[i] + 1
		if ceil && room%w.stride[i] != 0 && outputs*w.stride[i] < d+w.before[i] {
			outputs++ // a window that starts in the padding behind the input is none
		}
		w.out = append(w.out, outputs)
	}
	return w
}

// each calls f for every cell of the window at output at that lies in the input, with its place there and in the kernel.
func (w *window) each(at []int, f func(in, kernel int)) {
	walk(w.kernel, nil, func(k int, _ []int) {
		place, rest := 0, k
		index := make([]int, len(w.kernel))
		for a := len(w.kernel) - 1; a >= 0; a-- {
			index[a] = rest % w.kernel[a]
			rest /= w.kernel[a]
		}
		for a, i := range index {
			i = at[a]*w.stride[a] + i*w.dilation[a] - w.before[a]
			if i < 0 || i >= w.in[a] {
				return
			}
			place = place*w.in[a] + i
		}
		f(place, k)
	})
}

// cells lists, for every output position, the cells of its window: pairs of places in the input and in the kernel.
func (w *window) cells() [][][2]int {
	list := make([][][2]int, count(w.out))
	at := make([]int, len(w.out))
	for o := range list {
		rest := o
		for a := len(w.out) - 1; a >= 0; a-- {
			at[a] = rest % w.out[a]
			rest /= w.out[a]
		}
		w.each(at, func(in, kernel int) { list[o] = append(list[o], [2]int{in, kernel}) })
	}
	return list
}

func bias(c *call, i int) *Tensor {
	if !c.has(i) {
		return nil
	}
	return c.in[i]
}

// convolve is the sum over input channels of a group and the window, of integers or floats. A bias may be nil.
func convolve(c *call, x, w, b *Tensor) *Tensor {
	groups := c.int("group", 1)
	if len(w.Shape) != len(x.Shape) || groups < 1 || w.Shape[1]*groups != x.Shape[1] || w.Shape[0]%groups != 0 {
		fail("weights %v in %d groups for input %v", w.Shape, groups, x.Shape)
	}
	win := c.window(x, c.spatialOr("kernel_shape", w.Shape[2:]))
	cells := win.cells()
	n, cin, cout, perGroup := x.Shape[0], x.Shape[1], w.Shape[0], w.Shape[1]
	size, ksize := count(win.in), count(win.kernel)
	y := New(onnx.Float, slices.Concat([]int{n, cout}, win.out)...)
	xd, wd := x.doubles(), w.doubles()
	for i := range n {
		for o := range cout {
			first := o / (cout / groups) * perGroup
			for p, cell := range cells {
				sum := 0.0
				if b != nil {
					sum = b.at(o)
				}
				for ch := range perGroup {
					xs, ws := xd[(i*cin+first+ch)*size:], wd[(o*perGroup+ch)*ksize:]
					for _, k := range cell {
						sum += float64(xs[k[0]] * ws[k[1]])
					}
				}
				y.Data[(i*cout+o)*len(cells)+p] = float32(sum)
			}
		}
	}
	return y
}

func (c *call) spatialOr(name string, def []int) []int {
	if list, ok := c.ints(name); ok {
		return list
	}
	return def
}

// convTranspose spreads each input over a window of the output: the gradient of a convolution by its input.
func convTranspose(c *call) []*Tensor {
	x, w := c.floats(0), c.floats(1)
	groups := c.int("group", 1)
	if len(w.Shape) != len(x.Shape) || w.Shape[0] != x.Shape[1] || w.Shape[0]%groups != 0 {
		fail("weights %v in %d groups for input %v", w.Shape, groups, x.Shape)
	}
	out, win := c.transposed(x.Shape[2:], w.Shape[2:])
	n, cin, perGroup := x.Shape[0], x.Shape[1], w.Shape[1]
	cout := perGroup * groups
	y := New(onnx.Float, slices.Concat([]int{n, cout}, out)...)
	// The window slides over the output, one position for each input.
	cells := win.cells()
	size, ksize := count(out), count(w.Shape[2:])
	sums := make([]float64, size)
	for i := range n {
		for o := range cout {
			clear(sums)
			group := o / perGroup
			for ch := group * cin / groups; ch < (group+1)*cin/groups; ch++ {
				ws := (ch*perGroup + o%perGroup) * ksize
				for p, cell := range cells {
					v := float64(x.Data[(i*cin+ch)*len(cells)+p])
					for _, k := range cell {
						sums[k[0]] += v * float64(w.Data[ws+k[1]])
					}
				}
			}
			for p, v := range sums {
				if b := bias(c, 2); b != nil {
					v += float64(b.Data[o])
				}
				y.Data[(i*cout+o)*size+p] = float32(v)
			}
		}
	}
	return one(y)
}

// Transposed returns the spatial sizes of what a ConvTranspose makes of an input and weights of spatial sizes in and kernel, and
// how many pixels of each axis its padding cuts off at the beginning.
func Transposed(n *onnx.Node, in, kernel []int) (out, before []int, err error) {
	defer recovered(&err)
	out, w := (&call{node: n}).transposed(in, kernel)
	return out, w.before, nil
}

// transposed returns the output size of a ConvTranspose and its window, which slides over the output.
func (c *call) transposed(in, weights []int) (out []int, w *window) {
	n := len(in)
	kernel := c.spatialOr("kernel_shape", weights)
	w = &window{kernel: kernel, stride: c.spatial("strides", n, 1), dilation: c.spatial("dilations", n, 1), out: in}
	extra := c.spatial("output_padding", n, 0)
	pads := c.spatial("pads", 2*n, 0)
	wanted, given := c.ints("output_shape")
	if len(wanted) > n {
		wanted = wanted[len(wanted)-n:]
	}
	mode := c.text("auto_pad", "NOTSET")
	out, w.before = make([]int, n), slices.Clone(pads[:n])
	for i := range n {
		full := (in[i]-1)*w.stride[i] + extra[i] + (kernel[i]-1)*w.dilation[i] + 1
		switch {
		case given || mode == "SAME_UPPER" || mode == "SAME_LOWER":
			out[i] = in[i] * w.stride[i]
			if given {
				out[i] = wanted[i]
			}
			all := max(0, full-out[i])
			w.before[i] = all / 2
			if mode == "SAME_LOWER" || mode == "NOTSET" && given {
				w.before[i] = all - all/2
			}
		default:
			out[i] = full - pads[i] - pads[n+i]
		}
	}
	w.in = out
	return out, w
}

// pool calls f with the elements of every window.
func pool(c *call, f func(w *window, at int, v []float64) float64) *Tensor {
	x := c.arg(0)
	kernel, ok := c.ints("kernel_shape")
	if !ok {
		fail("has no kernel_shape")
	}
	w := c.window(x, kernel)
	cells := w.cells()
	size := count(w.in)
	y := x.like(slices.Concat(x.Shape[:2], w.out))
	var v []float64
	for p := range x.Shape[0] * x.Shape[1] {
		for o, cell := range cells {
			v = v[:0]
			for _, k := range cell {
				v = append(v, x.at(p*size+k[0]))
			}
			y.set(p*len(cells)+o, f(w, o, v))
		}
	}
	return y
}

// maxPool has a second output: where each maximum was, in the whole input.
func maxPool(c *call) []*Tensor {
	y := pool(c, func(_ *window, _ int, v []float64) float64 { return fold(v, math.Inf(-1), math.Max) })
	if len(c.node.Outputs) < 2 {
		return one(y)
	}
	x := c.arg(0)
	kernel, _ := c.ints("kernel_shape")
	w := c.window(x, kernel)
	cells, size := w.cells(), count(w.in)
	indices := New(onnx.Int64, y.Shape...)
	for i := range y.Len() {
		p := i / len(cells)
		for _, k := range cells[i%len(cells)] {
			if x.at(p*size+k[0]) == y.at(i) {
				indices.Ints[i] = int64(p*size + k[0])
				if c.int("storage_order", 0) != 0 { // column-major
					index, at := k[0], 0
					stride := size
					for a := len(w.in) - 1; a >= 0; a-- {
						stride /= w.in[a]
						at += index % w.in[a] * stride
						index /= w.in[a]
					}
					indices.Ints[i] = int64(p*size + at)
				}
				break
			}
		}
	}
	return []*Tensor{y, indices}
}

// averagePool divides by the cells in the input, or with count_include_pad by those in the padded input.
func averagePool(c *call) []*Tensor {
	include := c.int("count_include_pad", 0) != 0
	return one(pool(c, func(w *window, at int, v []float64) float64 {
		n := len(v)
		if include {
			n = w.padded(at)
		}
		return total(v) / float64(n)
	}))
}

// padded counts the cells of a window that lie in the input with its padding: with ceil_mode the last reach past it.
func (w *window) padded(at int) int {
	n := 1
	for a := len(w.out) - 1; a >= 0; a-- {
		first := at%w.out[a]*w.stride[a] - w.before[a]
		at /= w.out[a]
		cells := 0
		for k := range w.kernel[a] {
			if first+k*w.dilation[a] < w.in[a]+w.after[a] {
				cells++
			}
		}
		n *= cells
	}
	return n
}

func lpPool(c *call) []*Tensor {
	p := float64(c.int("p", 2))
	return one(pool(c, func(_ *window, _ int, v []float64) float64 { return norm(v, p) }))
}

func norm(v []float64, p float64) float64 {
	return math.Pow(fold(v, 0, func(a, b float64) float64 { return a + math.Pow(math.Abs(b), p) }), 1/p)
}

// global applies f to the whole of each channel.
func global(c *call, f func([]float64) float64, mean bool) *Tensor {
	x := c.floats(0)
	size := count(x.Shape[2:])
	y := x.like(slices.Concat(x.Shape[:2], slices.Repeat([]int{1}, len(x.Shape)-2)))
	v := make([]float64, size)
	for i := range y.Data {
		for k := range v {
			v[k] = float64(x.Data[i*size+k])
		}
		r := f(v)
		if mean {
			r /= float64(size)
		}
		y.Data[i] = float32(r)
	}
	return y
}
