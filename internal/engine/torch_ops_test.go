package engine

import (
	"fmt"
	"testing"

	"zaq/internal/kernel"
	"zaq/internal/quant"
)

// Outputs and all gradients of every operation agree with PyTorch's, which computes in double precision where
// nothing is rounded to a grid.
func TestTorch(t *testing.T) {
	var cases []*parity
	cases = append(cases, convCases(t)...)
	cases = append(cases, linearCases(t)...)
	cases = append(cases, normCases(t)...)
	cases = append(cases, activationCases(t)...)
	cases = append(cases, weightGridCases(t)...)
	cases = append(cases, shapeCases(t)...)
	cases = append(cases, lossCases(t)...)
	cases = append(cases, optimizerCases(t)...)
	cases = append(cases, methodCases(t)...)
	cases = append(cases, sharedParamCase(t))
	askTorch(t, cases, 1e-4)
}

func convArgs(s kernel.ConvShape) attrs {
	return attrs{
		"stride": []int{s.StrideH, s.StrideW}, "dilation": []int{s.DilH, s.DilW}, "groups": s.Groups,
		"pads": []int{s.PadTop, s.PadLeft, s.PadBottom, s.PadRight},
	}
}

// square is a convolution with the same kernel, stride and padding in both directions.
func square(cout, k, stride, pad int) kernel.ConvShape {
	return kernel.ConvShape{Cout: cout, KH: k, KW: k, StrideH: stride, StrideW: stride, DilH: 1, DilW: 1,
		PadTop: pad, PadLeft: pad, PadBottom: pad, PadRight: pad, Groups: 1}
}

func with(s kernel.ConvShape, change func(s *kernel.ConvShape)) kernel.ConvShape {
	change(&s)
	return s
}

func convCases(t *testing.T) (cases []*parity) {
	for _, k := range []struct {
		name           string
		batch, h, w, c int
		s              kernel.ConvShape
	}{
		{"3x3", 5, 7, 5, 3, square(19, 3, 1, 1)},
		{"3x3 wide", 3, 9, 11, 33, square(40, 3, 1, 1)},
		{"3x3 by Winograd's algorithm", 3, 9, 10, 32, square(48, 3, 1, 1)},
		{"3x3 stride 2", 7, 9, 8, 5, square(7, 3, 2, 1)},
		{"3x3 stride 2 without padding", 2, 8, 8, 16, square(16, 3, 2, 0)},
		{"1x1", 9, 5, 7, 17, square(13, 1, 1, 0)},
		{"1x1 stride 2", 3, 7, 6, 17, square(33, 1, 2, 0)},
		{"5x5 asymmetric padding", 4, 8, 9, 4, with(square(6, 5, 1, 0), func(s *kernel.ConvShape) { s.PadTop, s.PadRight = 2, 3; s.PadLeft = 1 })},
		{"strides 2 and 3, 3x2", 2, 11, 10, 6, with(square(5, 3, 2, 1), func(s *kernel.ConvShape) { s.KW, s.StrideW = 2, 3 })},
		{"dilation 2", 3, 7, 9, 8, with(square(16, 3, 1, 2), func(s *kernel.ConvShape) { s.DilH, s.DilW = 2, 2 })},
		{"groups 2", 5, 6, 7, 6, with(square(10, 3, 1, 1), func(s *kernel.ConvShape) { s.Groups = 2 })},
		{"depthwise", 11, 7, 7, 13, with(square(13, 3, 1, 1), func(s *kernel.ConvShape) { s.Groups = 13 })},
		{"depthwise stride 2", 3, 9, 9, 32, with(square(32, 3, 2, 1), func(s *kernel.ConvShape) { s.Groups = 32 })},
		{"depthwise multiplier 2", 1, 5, 6, 4, with(square(8, 3, 1, 1), func(s *kernel.ConvShape) { s.Groups = 4 })},
		{"7x7 of one image", 1, 13, 10, 3, square(8, 7, 2, 3)},
	} {
		c := newParity(t, "conv", k.name, k.batch, convArgs(k.s))
		x := c.input("x", k.h, k.w, k.c)
		w := c.weight("w", nil, k.s.KH, k.s.KW, k.c/k.s.Groups, k.s.Cout)
		cases = append(cases, c.run(c.must(c.g.Conv("y", x, w, k.s))))
	}
	return cases
}

func linearCases(t *testing.T) (cases []*parity) {
	for _, k := range []struct {
		name                       string
		batch, h, w, c, oh, ow, oc int
		bias                       bool
	}{
		{"with bias", 7, 3, 2, 5, 1, 1, 10, true},
		{"to a map", 9, 1, 1, 37, 4, 3, 7, true},
		{"of one image", 1, 1, 1, 64, 1, 1, 100, true},
		{"without bias", 19, 1, 1, 3, 1, 1, 1, false},
	} {
		c := newParity(t, "linear", k.name, k.batch, attrs{})
		x := c.input("x", k.h, k.w, k.c)
		w := c.weight("w", nil, x.Len(), k.oh*k.ow*k.oc)
		var bias *Param
		if k.bias {
			bias = c.param("bias", 0, 1, k.oh*k.ow*k.oc)
		}
		cases = append(cases, c.run(c.must(c.g.Linear("y", x, w, bias, k.oh, k.ow, k.oc))))
	}
	return cases
}

func normCases(t *testing.T) (cases []*parity) {
	for _, k := range []struct {
		name           string
		batch, h, w, c int
		train, affine  bool
		with           string // what follows
	}{
		{"of the batch", 5, 7, 5, 19, true, true, ""},
		{"of the batch, wide", 3, 3, 3, 65, true, true, ""},
		{"of the batch, one image", 1, 9, 9, 3, true, true, ""},
		{"of the batch without gamma and beta", 6, 8, 8, 3, true, false, ""},
		{"of the batch, leaky", 7, 5, 5, 16, true, true, "leaky"},
		{"of the batch, residual, relu", 4, 5, 6, 24, true, true, "residual"},
		{"of the batch, plus itself", 3, 4, 5, 7, true, true, "self"},
		{"frozen", 5, 7, 5, 19, false, true, ""},
		{"frozen without gamma and beta", 3, 6, 5, 9, false, false, ""},
		{"frozen, residual, relu", 7, 5, 6, 33, false, true, "residual"},
		{"frozen, plus itself", 3, 4, 5, 7, false, true, "self"},
		{"frozen, clip", 2, 6, 6, 11, false, true, "clip"},
	} {
		a := attrs{"train": k.train, "momentum": 0.1, "eps": 1e-5}
		c := newParity(t, "batchnorm", k.name, k.batch, a)
		x := c.input("x", k.h, k.w, k.c)
		s := &Stats{Mean: randoms(c.r, k.c, 0.5), Var: randoms(c.r, k.c, 0.3), Epsilon: 1e-5, Momentum: 0.1}
		for i, v := range s.Var {
			s.Var[i] = 0.5 + v*v
		}
		c.give("mean", s.Mean, k.c)
		c.give("var", s.Var, k.c)
		var gamma, beta *Param
		if k.affine {
			gamma, beta = c.param("gamma", 1, 0.5, k.c), c.param("beta", 0, 0.5, k.c)
		}
		y := c.g.BatchNorm("bn", x, gamma, beta, s, k.train)
		switch k.with {
		case "leaky":
			a["act"], a["alpha"] = "leaky", 0.2
			y = c.g.Activate("y", y, Activation{Kind: kernel.ActLeakyReLU, Alpha: 0.2})
		case "clip":
			a["act"], a["lo"], a["hi"] = "clip", -0.25, 0.75
			y = c.g.Activate("y", y, Activation{Kind: kernel.ActClip, Lo: -0.25, Hi: 0.75})
		case "residual":
			a["act"] = "relu"
			y = c.g.Activate("y", c.g.Add("sum", y, c.input("res", k.h, k.w, k.c)), Activation{Kind: kernel.ActReLU})
		case "self":
			a["self"] = true
			y = c.g.Add("sum", y, x)
		}
		c.run(y)
		c.want("mean", s.Mean)
		c.want("var", s.Var)
		cases = append(cases, c)
	}
	return cases
}

func activationCases(t *testing.T) (cases []*parity) {
	sum := newParity(t, "add", "and relu", 5, attrs{"act": "relu"})
	x := sum.g.Add("sum", sum.input("x", 5, 7, 9), sum.input("res", 5, 7, 9))
	cases = append(cases, sum.run(sum.g.Activate("y", x, Activation{Kind: kernel.ActReLU})))

	double := newParity(t, "double", "x + x", 3, attrs{})
	x = double.input("x", 3, 5, 7)
	cases = append(cases, double.run(double.g.Add("y", x, x)))

	for _, k := range []struct {
		name string
		a    Activation
		args attrs
	}{
		{"relu", Activation{Kind: kernel.ActReLU}, attrs{"act": "relu"}},
		{"leaky", Activation{Kind: kernel.ActLeakyReLU, Alpha: 0.1}, attrs{"act": "leaky", "alpha": 0.1}},
		{"clip", Activation{Kind: kernel.ActClip, Lo: 0, Hi: 0.6}, attrs{"act": "clip", "lo": 0, "hi": 0.6}},
	} {
		c := newParity(t, "activation", k.name, 7, k.args)
		cases = append(cases, c.run(c.g.Activate("y", c.input("x", 5, 3, 11), k.a)))
	}
	tanh := newParity(t, "activation", "tanh", 7, attrs{"act": "tanh"})
	cases = append(cases, tanh.run(tanh.g.Tanh("y", tanh.input("x", 5, 3, 11))))

	for _, k := range []struct {
		name    string
		relu    bool
		q       ActQuant
		c, size int
	}{
		{"4 bits", true, ActQuant{Scale: 0.11, QMin: 0, QMax: 15}, 13, 6},
		{"2 bits, narrow range", true, ActQuant{Scale: 0.3, QMin: 0, QMax: 3}, 16, 5},
		{"asymmetric, without relu", false, ActQuant{Scale: 0.013, Zero: 77, QMin: 0, QMax: 255}, 7, 9},
		{"signed, cut at both ends", false, ActQuant{Scale: 0.1, Zero: -3, QMin: -8, QMax: 7}, 5, 7},
		{"passed through", false, ActQuant{Scale: 0.1, Zero: -3, QMin: -8, QMax: 7, PassThrough: true}, 5, 7},
		{"passed through behind relu", true, ActQuant{Scale: 0.1, QMin: 0, QMax: 7, PassThrough: true}, 5, 7},
	} {
		q := k.q
		q.On = true
		a := attrs{"float32": true, "scale": q.Scale, "zero": q.Zero, "qmin": q.QMin, "qmax": q.QMax, "passThrough": q.PassThrough}
		c := newParity(t, "activation", "rounded to "+k.name, 5, a)
		x := c.input("x", k.size, k.size, k.c)
		if k.relu {
			a["act"] = "relu"
			x = c.g.Activate("relu", x, Activation{Kind: kernel.ActReLU})
		}
		cases = append(cases, c.run(c.g.FakeQuant("y", x, &q)))
	}
	return cases
}

func weightGridCases(t *testing.T) (cases []*parity) {
	s := square(11, 3, 1, 1)
	for _, k := range []struct {
		name   string
		scheme quant.Scheme
	}{
		{"4 bits per channel", quant.Scheme{Bits: 4, PerChannel: true}},
		{"2 bits per channel", quant.Scheme{Bits: 2, PerChannel: true}},
		{"3 bits symmetric", quant.Scheme{Bits: 3, Signed: true, Symmetric: true, Narrow: true, PerChannel: true}},
		{"8 bits per tensor", quant.Scheme{Bits: 8}},
		{"4 bits symmetric per tensor", quant.Scheme{Bits: 4, Signed: true, Symmetric: true, Narrow: true}},
	} {
		q := quant.New(k.scheme)
		n := 1
		if q.PerChannel {
			n = s.Cout
		}
		grid := &WeightGrid{QMin: q.QMin, QMax: q.QMax, Scale: make([]float32, n), Zero: make([]int32, n),
			Fit: func(w []float32, scale []float32, zero []int32) { fitMinMax(q, w, s.Cout, scale, zero) }}
		cases = append(cases, gridCase(t, k.name, s, grid, attrs{"perChannel": q.PerChannel, "symmetric": q.Symmetric}))
	}
	// A grid that cuts weights off shows where gradients pass.
	for _, pass := range []bool{false, true} {
		scales, zeros := make([]float32, s.Cout), make([]int32, s.Cout)
		for i := range scales {
			scales[i], zeros[i] = 0.05+0.01*float32(i), int32(4+i%5)
		}
		grid := &WeightGrid{QMin: 0, QMax: 15, Scale: scales, Zero: zeros, PassThrough: pass, Fit: func([]float32, []float32, []int32) {}}
		a := attrs{"scales": scales, "zeros": zeros}
		cases = append(cases, gridCase(t, fmt.Sprintf("cut, passed through %v", pass), s, grid, a))
		a = attrs{"scales": scales, "zeros": zeros, "upsample": true}
		cases = append(cases, gridCase(t, fmt.Sprintf("cut, upsampled, passed through %v", pass), s, grid, a))
	}
	return cases
}

func gridCase(t *testing.T, name string, s kernel.ConvShape, grid *WeightGrid, a attrs) *parity {
	for k, v := range convArgs(s) {
		a[k] = v
	}
	a["float32"], a["qmin"], a["qmax"], a["passThrough"] = true, grid.QMin, grid.QMax, grid.PassThrough
	c := newParity(t, "gridconv", name, 3, a)
	x := c.input("x", 5, 6, 7)
	w := c.weight("w", grid, s.KH, s.KW, 7, s.Cout)
	if a["upsample"] == true {
		c.run(c.must(c.g.UpsampleConv("y", x, w)))
	} else {
		c.run(c.must(c.g.Conv("y", x, w, s)))
	}
	c.want("value", w.Value())
	return c
}

func shapeCases(t *testing.T) (cases []*parity) {
	up := newParity(t, "upsample", "2x", 5, attrs{})
	cases = append(cases, up.run(up.g.Upsample2x("y", up.input("x", 3, 5, 7))))
	for _, k := range [][2]int{{7, 3}, {19, 33}} {
		c := newParity(t, "upconv", fmt.Sprintf("%d to %d", k[0], k[1]), 5, convArgs(square(k[1], 3, 1, 1)))
		cases = append(cases, c.run(c.must(c.g.UpsampleConv("y", c.input("x", 4, 3, k[0]), c.weight("w", nil, 3, 3, k[0], k[1])))))
	}

	for _, k := range []struct {
		name    string
		h, w, c int
		win     Window
	}{
		{"slice with step 2, channels padded", 8, 9, 6, Window{Step: [3]int{2, 2, 1}, Count: [3]int{4, 5, 6}, Before: [3]int{0, 0, 3}, After: [3]int{0, 0, 3}}},
		{"inner part", 7, 8, 5, Window{Start: [3]int{1, 2, 1}, Step: [3]int{1, 1, 2}, Count: [3]int{5, 4, 2}}},
		{"padding with a value", 3, 4, 5, Window{Step: [3]int{1, 1, 1}, Count: [3]int{3, 4, 5}, Before: [3]int{1, 2, 0}, After: [3]int{2, 0, 1}, Value: -1.5}},
	} {
		w := k.win
		c := newParity(t, "window", k.name, 3, attrs{"start": w.Start, "step": w.Step, "count": w.Count, "before": w.Before, "after": w.After, "value": w.Value})
		cases = append(cases, c.run(c.must(c.g.Window("y", c.input("x", k.h, k.w, k.c), w))))
	}

	for _, k := range []struct {
		name    string
		h, w, c int
		p       Pool
		include bool
	}{
		{"2x2", 8, 6, 5, Pool{Kernel: [2]int{2, 2}, Stride: [2]int{2, 2}, Dilation: [2]int{1, 1}}, false},
		{"3x3 stride 2 padded", 9, 7, 17, Pool{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Dilation: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}}, false},
		{"3x3 padding counted", 7, 8, 6, Pool{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Dilation: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}}, true},
		{"3x2 dilated", 9, 8, 5, Pool{Kernel: [2]int{3, 2}, Stride: [2]int{2, 1}, Dilation: [2]int{2, 3}, Pads: [4]int{1, 1, 1, 1}}, false},
		{"3x2, what is left over is dropped", 8, 9, 3, Pool{Kernel: [2]int{3, 2}, Stride: [2]int{3, 2}, Dilation: [2]int{1, 1}}, false},
	} {
		k.p.CountIncludePad = k.include
		a := attrs{"kernel": k.p.Kernel, "stride": k.p.Stride, "dilation": k.p.Dilation, "pads": k.p.Pads[:2], "include": k.include}
		if k.p.Dilation == [2]int{1, 1} { // PyTorch has no other
			avg := newParity(t, "averagepool", k.name, 5, a)
			cases = append(cases, avg.run(avg.g.AveragePool("y", avg.input("x", k.h, k.w, k.c), k.p)))
		}
		top := newParity(t, "maxpool", k.name, 5, a)
		cases = append(cases, top.run(top.g.MaxPool("y", top.input("x", k.h, k.w, k.c), k.p)))
	}
	gap := newParity(t, "globalpool", "7x5", 9, attrs{})
	cases = append(cases, gap.run(gap.g.GlobalAveragePool("y", gap.input("x", 7, 5, 19))))
	return cases
}

func lossCases(t *testing.T) (cases []*parity) {
	for _, smoothing := range []float64{0, 0.1} {
		labels := []int{3, 0, 10, 7, 7, 1, 2}
		c := newParity(t, "crossentropy", fmt.Sprint("smoothing ", smoothing), len(labels), attrs{"labels": labels, "smoothing": smoothing})
		cases = append(cases, c.runLoss(c.g.CrossEntropy("loss", c.input("x", 1, 1, 11), labels, smoothing)))
	}
	outputs := newParity(t, "l1", "of logits", 13, attrs{})
	cases = append(cases, outputs.runLoss(outputs.g.L1("loss", outputs.input("a", 1, 1, 10), outputs.input("b", 1, 1, 10))))

	act := newParity(t, "meanabs", "of a map", 7, attrs{})
	cases = append(cases, act.runLoss(act.g.MeanAbs("loss", act.input("x", 5, 6, 7))))

	for _, batch := range []int{1, 6, 11} {
		weights := []float64{0.5, 0.2, 0.3}
		c := newParity(t, "crm", fmt.Sprint(batch, " images"), batch, attrs{"weights": weights})
		var p, q []*Tensor
		for i, s := range [][3]int{{5, 7, 6}, {3, 4, 17}, {2, 2, 33}} {
			x := randoms(c.r, batch*s[0]*s[1]*s[2], 1)
			if i == 0 { // a dead channel
				for j := 0; j < len(x); j += s[2] {
					x[j] = 0
				}
			}
			y := randoms(c.r, len(x), 0.3)
			for j := range y {
				y[j] += x[j]
			}
			p = append(p, c.inputOf(fmt.Sprint("p", i), x, s[0], s[1], s[2]))
			q = append(q, c.inputOf(fmt.Sprint("q", i), y, s[0], s[1], s[2]))
		}
		d := c.g.CRM("loss", p, q)
		copy(d.Weights, weights)
		cases = append(cases, c.runLoss(d.Loss))
	}

	c := newParity(t, "bnmatch", "two layers", 5, attrs{"layers": 2, "eps": 1e-5})
	var at []PreNorm
	for i, channels := range []int{7, 18} {
		s := &Stats{Mean: randoms(c.r, channels, 1), Var: randoms(c.r, channels, 1), Epsilon: 1e-5}
		for j, v := range s.Var {
			s.Var[j] = 0.2 + v*v
		}
		c.give(fmt.Sprint("mean", i), s.Mean, channels)
		c.give(fmt.Sprint("var", i), s.Var, channels)
		at = append(at, PreNorm{c.input(fmt.Sprint("x", i), 4+i, 5, channels), s})
	}
	return append(cases, c.runLoss(c.g.BNMatch("loss", at).Loss))
}

// optimizer is SGD or Adam.
type optimizer interface{ Step() }

func optimizerCases(t *testing.T) (cases []*parity) {
	const steps = 5
	for _, k := range []struct {
		op, name string
		args     attrs
		make     func(p []*Param) optimizer
	}{
		{"sgd", "plain", attrs{"lr": 0.1, "momentum": 0, "decay": 0, "nesterov": false, "clip": 0},
			func(p []*Param) optimizer { o := NewSGD(p, 0, 0, false); o.LR = 0.1; return o }},
		{"sgd", "momentum, decay", attrs{"lr": 0.1, "momentum": 0.9, "decay": 0.02, "nesterov": false, "clip": 0},
			func(p []*Param) optimizer { o := NewSGD(p, 0.9, 0.02, false); o.LR = 0.1; return o }},
		{"sgd", "nesterov, decay, clipped norm", attrs{"lr": 0.1, "momentum": 0.9, "decay": 0.02, "nesterov": true, "clip": 5},
			func(p []*Param) optimizer { o := NewSGD(p, 0.9, 0.02, true); o.LR = 0.1; return o }},
		{"adam", "default", attrs{"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "decay": 0, "clip": 0},
			func(p []*Param) optimizer { return NewAdam(p, 0.01, 0.9, 0.999) }},
		{"adam", "short memory", attrs{"lr": 0.1, "beta1": 0.5, "beta2": 0.9, "decay": 0, "clip": 0},
			func(p []*Param) optimizer { return NewAdam(p, 0.1, 0.5, 0.9) }},
	} {
		k.args["steps"] = steps
		c := newParity(t, k.op, k.name, 1, k.args)
		params := []*Param{NewParam("w", randoms(c.r, 101, 1), true), NewParam("b", randoms(c.r, 7, 1), false)}
		o := k.make(params)
		for _, p := range params {
			c.give(p.Name, p.Data, len(p.Data))
		}
		norms := make([]float32, steps)
		for i := range steps {
			for _, p := range params {
				p.Grad = randoms(c.r, len(p.Data), 1)
				c.give(fmt.Sprint(p.Name, " ", i), p.Grad, len(p.Data))
			}
			if limit := k.args["clip"].(int); limit > 0 {
				norms[i] = float32(ClipGradNorm(params, float64(limit)))
			}
			o.Step()
			for _, p := range params {
				c.want(fmt.Sprint(p.Name, " ", i), append([]float32(nil), p.Data...))
			}
		}
		c.want("norms", norms)
		cases = append(cases, c)
	}
	return cases
}

// sharedParamCase uses every parameter twice, as files do in which equal constants were merged.
func sharedParamCase(t *testing.T) *parity {
	const channels = 6
	c := newParity(t, "shared", "parameters", 5, attrs{})
	x := c.input("x", 4, 5, channels)
	w := c.weight("w", nil, 3, 3, channels, channels)
	gamma, beta := c.param("gamma", 1, 0.3, channels), c.param("beta", 0, 0.3, channels)
	fc, bias := c.weight("fc", nil, channels, channels), c.param("bias", 0, 0.5, channels)
	s := &Stats{Mean: randoms(c.r, channels, 0.5), Var: ones(channels), Epsilon: 1e-5}
	c.give("mean", s.Mean, channels)
	c.give("var", s.Var, channels)
	for i := range 2 {
		x = c.must(c.g.Conv(fmt.Sprint("conv ", i), x, w, square(channels, 3, 1, 1)))
		x = c.g.BatchNorm(fmt.Sprint("bn ", i), x, gamma, beta, s, false)
	}
	x = c.g.GlobalAveragePool("gap", x)
	for i := range 2 {
		x = c.must(c.g.Linear(fmt.Sprint("fc ", i), x, fc, bias, 1, 1, channels))
	}
	return c.run(x)
}
