package method

import (
	"context"

	"zaq/internal/nn"
)

// ZAQ fine-tunes the quantized network Q against the float network P on images that a generator makes where the two
// differ most; see Liu, Zhang and Wang (2021), Zero-shot Adversarial Quantization:
//
//	G: min -D_o - alpha*D_f + beta*L_a        Q: min D_o + alpha*D_f
//
// with the discrepancies D_o and D_f of type discrepancy, and L_a = -mean|h|, h the activation of P's last convolutional
// block. Where images are not generated there is no G, and Q learns on those that there are.
func ZAQ(ctx context.Context, net *nn.Network, o Options) (*Result, error) {
	r, err := newZAQ(ctx, net, o)
	if err != nil {
		return nil, err
	}
	return r.run(ctx)
}

func newZAQ(ctx context.Context, net *nn.Network, o Options) (*tuning, error) {
	t, images, err := supplied(ctx, net, &o, o.generator())
	if err != nil {
		return nil, err
	}
	newCriterion := func() (criterion, error) { return newDiscrepancy(t, o.ZAQ) }
	if t.gen == nil {
		return newTuning(t, images, nil, newCriterion)
	}
	warm := newWarmup(t)
	return newTuning(t, warm, warm.adam, newCriterion)
}
