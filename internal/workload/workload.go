// Package workload defines what the benchmarks measure, once for all of them: networks, and the steps of training
// them with nothing left to do but to call one after the other. It is used by tests and by the program bench only.
package workload

import (
	"context"
	"fmt"

	"zaq/internal/engine"
	"zaq/internal/method"
	"zaq/internal/nn"
	"zaq/internal/preprocess"
	"zaq/internal/random"
)

// image is the shape of all images: channels, height, width.
var image = [3]int{3, 32, 32}

// classes is the number of classes that all networks know.
const classes = 10

// Network returns the untrained network of a name: resnet20 and a resnet8 of three channels, both with shortcuts
// without parameters, or mobilenetv2.
func Network(name string) (*nn.Network, error) {
	c := nn.ResNetConfig{Depth: 20, Width: 16, Image: image, Classes: classes, PadShortcuts: true}
	switch name {
	case "mobilenetv2":
		return nn.MobileNet(nn.MobileNetConfig{Image: image, Classes: classes}, 1)
	case "resnet8":
		c.Depth, c.Width = 8, 3
	case "resnet20":
	default:
		return nil, fmt.Errorf("no network is called %q", name)
	}
	return nn.ResNet(c, 1)
}

// Options are those of the game between generator and quantized network: 4-bit weights with a grid for each channel,
// 4-bit activations after ReLU, all feature maps compared with the same weight, gradients clipped.
func Options(batch, threads int) (method.Options, error) {
	pixels, err := preprocess.Assumed([]int{batch, image[0], image[1], image[2]})
	return method.Options{
		KeepBias: true, // Q begins as P, as in what it is compared with
		Place:    nn.PlaceOptions{Scheme: nn.Paper, WBits: 4, ABits: 4}, Observer: "minmax", Pixels: pixels, Threads: threads,
		Generator: method.Generator{Batch: batch, LR: 1e-3, Latent: 256, Batches: 1},
		Tune: method.TuneOptions{
			Schedule: func(int, int) float64 { return 1 }, Steps: 1, QPerG: 1, LR: 0.01, GLR: 1e-4, Momentum: 0.9, Decay: 5e-4, GradClip: 1,
		},
		ZAQ: method.ZAQOptions{Alpha: 0.1, Beta: 0.05, Tau: 1},
	}, err
}

// Game returns the steps of G and Q for a network.
func Game(network string, batch, threads int) (*method.Steps, error) {
	net, err := Network(network)
	if err != nil {
		return nil, err
	}
	if err := settle(net, batch); err != nil {
		return nil, err
	}
	o, err := Options(batch, threads)
	if err != nil {
		return nil, err
	}
	return method.NewSteps(context.Background(), net, o)
}

// settle gives the normalizations the statistics of images of noise, as training would: deep networks with others
// make numbers that nothing meets in practice.
func settle(net *nn.Network, batch int) error {
	t, err := NewTraining(net, min(batch, 32), 0)
	if err != nil {
		return err
	}
	const batches = 30 // running statistics forget a tenth each
	for range batches {
		t.Program.Run()
	}
	t.lowered.Store()
	return nil
}

// Training is float training of a network on given images and labels.
type Training struct {
	Program *engine.Program

	lowered *engine.Lowered
	optim   *engine.SGD
}

// NewTraining returns the step of training net.
func NewTraining(net *nn.Network, batch, threads int) (*Training, error) {
	t := &Training{}
	g := engine.NewTrainingGraph()
	x := g.Input(net.Inputs[0], image[1], image[2], image[0])
	var err error
	t.lowered, err = engine.Lower(g, net, map[string]*engine.Tensor{net.Inputs[0]: x}, engine.LowerOptions{TrainBN: true})
	if err != nil {
		return nil, err
	}
	labels := make([]int, batch)
	for i := range labels {
		labels[i] = i % classes
	}
	loss := g.CrossEntropy("cross-entropy", t.lowered.Tensors[net.Outputs[0]], labels, 0)
	t.Program, err = g.Compile(engine.Spec{
		Batch: batch, Objective: []engine.Term{{Loss: loss, Coef: 1}}, WRT: t.lowered.Params, Threads: threads,
	})
	if err != nil {
		return nil, err
	}
	random.New(1, 0, "images").Normal(t.Program.Data(x))
	t.optim = engine.NewSGD(t.lowered.Params, 0.9, 5e-4, true)
	t.optim.LR = 0.1
	return t, nil
}

// Step takes a step.
func (t *Training) Step() {
	t.Program.Run()
	t.optim.Step()
}
