package main

import (
	"fmt"

	"zaq/internal/engine"
	"zaq/internal/workload"
)

// work is something that both sides can do.
type work struct {
	name  string
	group string  // works of a group have a mean
	torch request // what opens it there, but for the layout
	zaq   func(threads int) (*side, error)

	memory bool // is measured too
}

// side is zaq's half of a work.
type side struct {
	step func()
	// Floating-point operations of a step: those that are executed, and those of the definition, in which the
	// convolution behind an upsampling is one of the large map.
	executed, nominal float64
}

func works() []work {
	var list []work
	for _, batch := range []int{64, 256} {
		for _, step := range []string{"Q", "G"} {
			list = append(list, game("resnet20", step, batch))
		}
	}
	list = append(list, game("mobilenetv2", "Q", 64), training("resnet20", 128))
	for _, c := range convolutions {
		for _, pass := range []string{"forward", "input gradient", "weight gradient"} {
			list = append(list, convolution(c[0], c[1], c[2], pass))
		}
	}
	return list
}

func game(network, step string, batch int) work {
	return work{
		name:   fmt.Sprintf("%s %s step, B=%d", network, step, batch),
		memory: step == "Q" && batch == 256,
		torch:  request{"work": step, "network": network, "batch": batch},
		zaq: func(threads int) (*side, error) {
			s, err := workload.Game(network, batch, threads)
			if err != nil {
				return nil, err
			}
			if step == "Q" {
				return sideOf(s.StepQ, s.Q), nil
			}
			return sideOf(s.StepG, s.G), nil
		},
	}
}

func training(network string, batch int) work {
	return work{
		name:  fmt.Sprintf("%s float training step, B=%d", network, batch),
		torch: request{"work": "train", "network": network, "batch": batch},
		zaq: func(threads int) (*side, error) {
			net, err := workload.Network(network)
			if err != nil {
				return nil, err
			}
			t, err := workload.NewTraining(net, batch, threads)
			if err != nil {
				return nil, err
			}
			return sideOf(t.Step, t.Program), nil
		},
	}
}

func sideOf(step func(), p *engine.Program) *side {
	executed, nominal := p.Flops()
	return &side{step, executed, nominal}
}
