package infer

import (
	"fmt"

	"zaq/internal/intkernel"
	"zaq/internal/nn"
)

// moves reports whether an operator only moves, repeats or drops elements, or adds zeros.
func moves(op nn.Op) bool {
	switch o := op.(type) {
	case nn.Slice, nn.Flatten, nn.Identity, nn.Reshape:
		return true
	case nn.Pad:
		return o.Value == 0
	case nn.Operator:
		return o.Moves()
	}
	return false
}

// maxMoved bounds the elements of a tensor that are followed one by one; float32 has integers up to 2^24.
const maxMoved = 1 << 24

func identity(n int) []int32 {
	index := make([]int32, n)
	for i := range index {
		index[i] = int32(i)
	}
	return index
}

// move compiles a layer that moves elements. Nothing is done at once: the layer is run here, on the numbers of the elements,
// and the next step that needs them in their new places has them gathered.
func (c *compiler) move(l *nn.Layer) error {
	v := c.values[l.In[0]]
	if v == nil || v.t == nil {
		return c.float(l)
	}
	n := elements(imageShape(c.n.Input(l, 0)))
	one := subnet(c.n, l)
	if n >= maxMoved || len(one.Inputs) != 1 {
		return c.float(l)
	}
	for _, name := range append([]string{l.In[0]}, l.Out...) {
		if name != "" {
			if err := c.follow(elements(imageShape(c.n.Values[name]))); err != nil {
				return err
			}
		}
	}
	numbers := make([]float32, n)
	for i := range numbers {
		numbers[i] = float32(i + 1)
	}
	values, err := nn.Reference(one, map[string][]float32{l.In[0]: numbers}, 1)
	if err != nil {
		return err
	}
	for _, name := range l.Out {
		if name != "" {
			c.values[name] = v.moved(values[name], n)
		}
	}
	return nil
}

// moved returns the value whose elements are those of v with the numbers given, which begin with 1; 0 stands for a zero. V has
// n elements.
func (v *value) moved(numbers []float32, n int) *value {
	index := make([]int32, len(numbers))
	same := len(numbers) == n && v.index == nil
	for i, at := range numbers {
		index[i] = int32(at) - 1
		if index[i] >= 0 && v.index != nil {
			index[i] = v.index[index[i]]
		}
		same = same && index[i] == int32(i)
	}
	if same { // a new shape, at most
		index = nil
	}
	return &value{t: v.t, index: index}
}

// gatherStep copies elements of tensors to other places.
type gatherStep struct {
	note
	sources []source
}

// source is what comes from one tensor.
type source struct {
	index  []int32         // of the elements of the source in the order [C, H, W], for each one of the result; -1: zero
	table  *[256]uint8     // what becomes of them; nil: nothing
	c0     int             // first channel of the result
	copies *intkernel.Copy // once it is prepared
}

func (s *gatherStep) prepare() {
	for i := range s.sources {
		src := &s.sources[i]
		src.copies = intkernel.NewCopy(s.out.m, src.c0, s.in[i].m, src.index, uint8(s.out.grid.zero))
		src.index = nil
	}
}

func (s *gatherStep) parts() int { return byRows(s.out.m) }

func (s *gatherStep) run(a *arena, _, i, n int) {
	y, m := s.out.bytes(a), s.out.m
	y0, y1 := cut(m.H, i, n)
	for j := range s.sources {
		src := &s.sources[j]
		src.copies.Run(y, s.in[j].bytes(a), src.table, y0, y1)
	}
	m.FillBorder(y, y0, y1, uint8(s.out.grid.zero))
}

// gather adds the step that puts the elements of a value in their places.
func (c *compiler) gather(name string, v *value) {
	s := &gatherStep{note: note{Name: name, Op: "Gather", in: []*tensor{v.t}}, sources: []source{{index: v.index}}}
	s.out = c.newTensor(target{name: name, grid: v.t.grid})
	c.values[name].r = v.r
	c.add(s)
}

// concat compiles the joining of tensors along their channels. Each may have a grid of its own.
func (c *compiler) concat(l *nn.Layer, axis int) error {
	var in []*tensor
	for _, name := range l.In {
		x, err := c.integers(name)
		if err != nil {
			return err
		}
		if x == nil || axis != 1 || len(c.n.Values[name].Shape) == 3 {
			return c.float(l)
		}
		in = append(in, x)
	}
	t, ok := c.target(l.Out[0])
	if !ok {
		for _, x := range in[1:] {
			if x.grid != in[0].grid {
				return c.float(l)
			}
		}
		t = target{name: l.Out[0], grid: in[0].grid}
	}
	s := &gatherStep{note: note{Name: l.Name, Op: "Concat" + t.fused, in: in}}
	channel := 0
	for _, x := range in {
		if err := c.follow(x.m.H * x.m.W * x.m.C); err != nil {
			return err
		}
		src := source{index: identity(x.m.H * x.m.W * x.m.C), c0: channel}
		if x.grid != t.grid {
			table := tableOf(x.grid, t.grid, nil)
			src.table = &table
		}
		s.sources = append(s.sources, src)
		channel += x.m.C
	}
	s.out = c.newTensor(t)
	if channel != s.out.m.C {
		return fmt.Errorf("%d channels joined to %d", channel, s.out.m.C)
	}
	c.add(s)
	return nil
}
