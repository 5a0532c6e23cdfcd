package infer

import "zaq/internal/nn"

// inputStep brings an input from the form that the file declares to that of the network: an image with channels last to
// channels first, and values to what the input's type holds.
type inputStep struct {
	note
	port          nn.Port
	height, width int
	channels      int
}

func (s *inputStep) prepare() {}

func (s *inputStep) parts() int {
	if !s.port.ChannelsLast {
		return 1
	}
	return max(1, min(s.height, 4*s.height*s.width*s.channels/rowsWorth))
}

func (s *inputStep) run(a *arena, _, i, n int) {
	x, y := s.from[0].values(a), s.to.values(a)
	if !s.port.ChannelsLast {
		copy(y, x)
		s.port.Round(y)
		return
	}
	from, to := cut(s.height, i, n)
	plane := s.height * s.width
	for c := range s.channels {
		channel := y[c*plane+from*s.width : c*plane+to*s.width]
		at := from*s.width*s.channels + c
		for p := range channel {
			channel[p] = x[at]
			at += s.channels
		}
		s.port.Round(channel)
	}
}

// input adds the i-th input of the program.
func (c *compiler) input(i int, name string) {
	r := c.newReal(name)
	port := c.n.Port(name)
	if !port.ChannelsLast && !port.Rounds() {
		r.input = i
		return
	}
	given := &real{name: name, n: r.n, input: i, output: -1, first: -1}
	c.reals = append(c.reals, given)
	s := &inputStep{note: note{Name: name, Op: "Input", from: []*real{given}, to: r}, port: port}
	if port.ChannelsLast {
		shape := imageShape(c.n.Values[name])
		s.Op, s.channels, s.height, s.width = "Transpose", shape[0], shape[1], shape[2]
	}
	c.add(s)
}
