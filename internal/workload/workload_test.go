package workload

import (
	"testing"

	"zaq/internal/engine"
	"zaq/internal/memory"
	"zaq/internal/method"
)

func game(t testing.TB, network string, batch int) *method.Steps {
	t.Helper()
	s, err := Game(network, batch, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A step leaves no garbage behind but the name of its random numbers. The runtime allocates now and then, too: the best
// of a few tries counts.
func TestNoGarbage(t *testing.T) {
	s := game(t, "resnet8", 8)
	net, err := Network("resnet8")
	if err != nil {
		t.Fatal(err)
	}
	training, err := NewTraining(net, 8, 0)
	if err != nil {
		t.Fatal(err)
	}
	const tries, objects, bytes = 8, 2, 256
	for name, step := range map[string]func(){"Q": s.StepQ, "G": s.StepG, "training": training.Step} {
		best := memory.Of(10, step)
		for i := 1; i < tries && (best.Allocs > objects || best.Bytes > bytes); i++ {
			if u := memory.Of(10, step); u.Bytes < best.Bytes {
				best = u
			}
		}
		if best.Allocs > objects || best.Bytes > bytes {
			t.Errorf("%s step: %.1f objects of %.0f bytes", name, best.Allocs, best.Bytes)
		}
	}
}

// The operations of a step, executed and by definition, are those of its layers, which nothing but what a gradient needs
// adds to.
func TestFlops(t *testing.T) {
	const batch = 2
	s := game(t, "resnet20", batch)
	const (
		stem     = 2 * 1024 * 27 * 16
		convs    = stem + 2*6*1024*144*16 + 2*256*(144+5*288)*32 + 2*64*(288+5*576)*64
		network  = convs + 2*64*10
		grams    = 2 * 3 * (1024*16*16 + 256*32*32 + 64*64*64)
		linear   = 2 * 256 * 8192
		upconvs  = 2 * 9 * (256*128*128 + 1024*128*64)
		image    = 2 * 1024 * 576 * 3
		forward  = linear + upconvs + image + 2*(network+grams)
		backward = grams + 2*network - stem // of Q; there is no gradient by the images
	)
	if _, got := s.Q.Flops(); got != batch*(forward+backward) {
		t.Errorf("Q step: %.0f, not %d", got, batch*(forward+backward))
	}
	// By the images, through both networks, and by the parameters of G, but not by the noise.
	if _, got := s.G.Flops(); got != batch*(forward+2*(network+grams)+linear+2*(upconvs+image)) {
		t.Errorf("G step: %.0f, not %d", got, batch*(forward+2*(network+grams)+linear+2*(upconvs+image)))
	}
	for name, p := range map[string]interface{ Flops() (float64, float64) }{"Q": s.Q, "G": s.G} {
		if executed, nominal := p.Flops(); !(executed < nominal && executed > nominal/4) {
			t.Errorf("%s step: %.0f of %.0f are executed", name, executed, nominal)
		}
	}
}

// BenchmarkStep reports the time of a step, its operations and its garbage.
func BenchmarkStep(b *testing.B) {
	for _, network := range []string{"resnet20", "mobilenetv2"} {
		s := game(b, network, 64)
		for name, step := range map[string]struct {
			take    func()
			program *engine.Program
		}{"Q": {s.StepQ, s.Q}, "G": {s.StepG, s.G}} {
			b.Run(network+"/"+name, func(b *testing.B) {
				garbage := memory.Of(2, step.take)
				for b.Loop() {
					step.take()
				}
				perStep := b.Elapsed().Seconds() / float64(b.N)
				executed, nominal := step.program.Flops()
				b.ReportMetric(1e3*perStep, "ms/step")
				b.ReportMetric(executed/perStep/1e9, "GF/s")
				b.ReportMetric(nominal/perStep/1e9, "nominal-GF/s")
				b.ReportMetric(garbage.Allocs, "allocs/step")
				b.ReportMetric(garbage.Bytes, "B/step")
				b.ReportMetric(float64(step.program.Memory())/(1<<20), "MiB")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
