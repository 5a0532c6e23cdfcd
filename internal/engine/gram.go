package engine

import "zaq/internal/kernel"

// GramMatrices adds a feature loss that compares Gram matrices G = F^T F / (C*H*W) of each image by itself (Gatys et al.
// 2016),
//
//	d_l = (1/C_l^2) * ||G_P^l - G_Q^l||_1, averaged over images.
func (g *Graph) GramMatrices(name string, p, q []*Tensor) *FeatureLoss {
	return g.imagePairs("gram matrix", name, p, q, func(hw, c int) func(p, q, dp, dq []float32, k float64) float64 {
		gp, gq := make([]float32, c*c), make([]float32, c*c)
		scale := 1 / float64(c*hw)
		return func(p, q, dp, dq []float32, k float64) (loss float64) {
			clear(gp)
			clear(gq)
			kernel.MatMulTA(gp, p, p, c, hw, c)
			kernel.MatMulTA(gq, q, q, c, hw, c)
			if dp == nil && dq == nil {
				return kernel.AbsDiffSum(gp, gq) * scale / float64(c*c)
			}
			// dF = F (dG + dG^T) for G = F^T F; dG is symmetric.
			step := float32(2 * k * scale / float64(c*c))
			for i, v := range gp {
				gp[i] = step * sign(v-gq[i])
				gq[i] = -gp[i]
			}
			if dp != nil {
				kernel.MatMul(dp, p, gp, hw, c, c, true)
			}
			if dq != nil {
				kernel.MatMul(dq, q, gq, hw, c, c, true)
			}
			return 0
		}
	})
}
