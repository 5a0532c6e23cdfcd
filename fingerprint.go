package zaq

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"

	"zaq/internal/checkpoint"
	"zaq/internal/kernel"
	"zaq/internal/preprocess"
	"zaq/internal/quant"
)

// fingerprint names everything that changes the result of a run of Quantize, so that a checkpoint of another
// run is refused. Keys are the flags of the command, whose user reads them in the error. The number of threads
// is not in it, and neither is when and where checkpoints are written.
func fingerprint(m *Model, o Options, images []float32) string {
	z := o.ZAQ
	precision := o.Precision
	if p, err := quant.ParsePrecision(precision); err == nil {
		precision = p.String() // one precision has many spellings
	}
	spec, _ := (*preprocess.Spec)(&m.pre).Encode() // valid: Load checked it
	var lines []string
	for _, l := range []struct {
		key   string
		value any
	}{
		{"model", m.SHA256()}, {"version", Version()}, {"kernels", kernel.Path()}, {"preprocess", string(spec)},
		{"method", o.Method}, {"precision", precision}, {"scheme", o.Scheme}, {"seed", o.Seed},
		{"mean-bits", o.MeanBits}, {"size", o.Size}, {"images", o.Images}, {"synth", fmt.Sprintf("%+v", o.Synth)}, {"gdfq", fmt.Sprintf("%+v", o.GDFQ)}, {"data", o.Data},
		{"bias-correction", !o.KeepBias}, {"feature-loss", z.FeatureLoss}, {"layer-weights", z.LayerWeights},
		{"per-tensor", o.PerTensor}, {"weight-range", o.WeightRange}, {"observer", o.Observer}, {"first-last-bits", o.FirstLastBits},
		{"int4-storage", o.Int4Storage}, {"opset", o.Opset}, {"calib", digest(images)},
		{"steps", z.Steps}, {"start", z.Start}, {"batch", z.Batch}, {"q-per-g", z.QPerG}, {"warmup", z.Warmup}, {"range-steps", z.RangeSteps},
		{"schedule", z.Schedule}, {"lr", z.LR}, {"g-lr", z.GLR}, {"alpha", z.Alpha}, {"beta", z.Beta}, {"tau", z.Tau},
		{"feature-ema", z.FeatureEMA}, {"weight-decay", z.WeightDecay}, {"grad-clip", z.GradClip},
		{"no-clip", z.NoClip}, {"pass-grad", z.PassGrad}, {"keep", z.Keep},
	} {
		lines = append(lines, fmt.Sprintf("%s=%v", l.key, l.value))
	}
	if o.Memory > 0 {
		lines = append(lines, fmt.Sprintf("memory=%d", o.Memory)) // how a step is cut follows from it
	}
	return checkpoint.Fingerprint(lines...)
}

// digest names the calibration images; it is "" where there are none.
func digest(images []float32) string {
	if images == nil {
		return ""
	}
	h := sha256.New()
	b := make([]byte, 4)
	for _, v := range images {
		binary.LittleEndian.PutUint32(b, math.Float32bits(v))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}
