package zaq

import (
	"context"
	"time"
)

// Result is a quantized network, ready to be written, and what became of it on the way.
type Result struct {
	Method    string `json:"method"`
	Precision string `json:"precision"`
	Scheme    string `json:"scheme"`
	Seed      uint64 `json:"seed"`
	Kernels   string `json:"kernels"` // the kernel path that computed it
	// MicroBatch is how many images went through the networks at a time, where Options.Memory made it fewer than a batch.
	MicroBatch int `json:"micro_batch,omitempty"`

	Layers    []LayerCost `json:"layers"`              // one for each quantized convolution and linear layer, in graph order
	Steps     int         `json:"steps,omitempty"`     // training steps done
	Kept      int         `json:"kept,omitempty"`      // the step whose weights were kept; 0: those of the start
	Agreement float64     `json:"agreement,omitempty"` // share of held-back images that P and Q label alike: generated ones, with rtn and CalibrationDir the user's

	Elapsed time.Duration `json:"elapsed_ns"` // without what earlier runs of a resumed one took

	artifact
}

// LayerCost is what quantization did to one layer: signal-to-quantization-noise ratios in decibels,
// 10*log10(sum x^2 / sum (x-x')^2), so lower is worse. A figure that does not apply is 0.
type LayerCost struct {
	Layer          string  `json:"layer"`
	Kind           string  `json:"kind"`            // "Conv", "Gemm"
	WeightBits     int     `json:"weight_bits"`     //
	ActivationBits int     `json:"activation_bits"` // of the layer's input; 32 where it stays float
	WeightSQNR     float64 `json:"weight_sqnr_db"`  // of the weights against the float network's: folded with PerTensor, as the file has them otherwise
	OutputSQNR     float64 `json:"output_sqnr_db"`  // of the layer's output against the float network's, on generated images
	Bytes          int64   `json:"bytes"`           // of the weights as stored
}

// Quantize makes a quantized network of m. It checks o first (see Options.Check), reports through o.Progress,
// and stops between two steps when ctx is cancelled: then the checkpoint is written, where there is a
// directory for it, and the error is ErrInterrupted. Methods that neither train nor make images take seconds and
// keep none.
//
// The checkpoint of a finished run stays where it is: resumed, it ends in the same bytes once more. A run
// without Options.Resume begins anew and removes it first. With Options.Resume and no checkpoint there, it begins
// anew too, and says so in the log.
func Quantize(ctx context.Context, m *Model, o Options) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if err := m.checkTerms(o); err != nil {
		return nil, err
	}
	start := time.Now()
	r, err := quantize(ctx, m, m.defaults(o))
	if err != nil && !o.keeps() {
		return nil, interruptedBriefly(ctx, err)
	}
	if err != nil {
		return nil, interrupted(ctx, err, o.CheckpointDir, quantizeCheckpoint)
	}
	r.Elapsed = time.Since(start)
	return r, nil
}
