package engine

import (
	"math/rand"
	"testing"
)

// BenchmarkFeatureLoss compares the maps of a ResNet-20's three stages: forward and both gradients.
func BenchmarkFeatureLoss(b *testing.B) {
	const batch = 16
	for _, f := range []struct {
		name string
		add  func(g *Graph, name string, p, q []*Tensor) *FeatureLoss
	}{{"crm", (*Graph).CRM}, {"gram", (*Graph).GramMatrices}, {"scrm", (*Graph).SCRM}} {
		b.Run(f.name, func(b *testing.B) {
			r := rand.New(rand.NewSource(1))
			g := NewGraph()
			var params []*Param
			var maps [2][]*Tensor
			for i := range maps {
				for _, s := range [][2]int{{32, 16}, {16, 32}, {8, 64}} {
					v := NewParam("map", randoms(r, batch*s[0]*s[0]*s[1], 1), false)
					params, maps[i] = append(params, v), append(maps[i], g.Variable(v, s[0], s[0], s[1]))
				}
			}
			p, err := g.Compile(Spec{Batch: batch, Objective: []Term{{f.add(g, "D_f", maps[0], maps[1]).Loss, 1}}, WRT: params})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				p.Run()
			}
		})
	}
}
