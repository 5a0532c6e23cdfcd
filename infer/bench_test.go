//go:build !noasm && !race

package infer_test

import (
	"context"
	"fmt"
	"testing"

	"zaq/infer"
	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/realdata"
)

// ResNet-20 on 32 images: the float network on the training engine, and its integers here.
func BenchmarkResNet20(b *testing.B) {
	const batch = 32
	s := sharedModels[0]
	float, err := onnx.ReadFile(realdata.Path(b, "models", s.path))
	if err != nil {
		b.Fatal(err)
	}
	n, err := nn.Import(float)
	if err != nil {
		b.Fatal(err)
	}
	m := s.quantize(b, "w8a8")
	in := []infer.Tensor{s.input(b, m, 0, batch)}
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("float/%d", threads), func(b *testing.B) {
			p, err := engine.NewPredictor(n, batch, threads)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := p.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("integers/%d", threads), func(b *testing.B) {
			p := load(b, m.Path(), infer.WithThreads(threads))
			out := p.NewOutputs(batch)
			for b.Loop() {
				if err := p.RunInto(context.Background(), out, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
