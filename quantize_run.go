package zaq

import (
	"context"
	"fmt"
	"strconv"

	"zaq/internal/engine"
	"zaq/internal/kernel"
	"zaq/internal/method"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/preprocess"
	"zaq/internal/quant"
)

// weightless reports whether no layer of the network has weights.
func (m *Model) weightless() bool {
	for range m.net.Weights() {
		return false
	}
	return true
}

// quantize runs the method and writes what it made. o has its defaults.
func quantize(ctx context.Context, m *Model, o Options) (*Result, error) {
	if err := kernel.PathErr(); err != nil {
		return nil, err
	}
	p, err := o.precision()
	if err != nil {
		return nil, err
	}
	if o.Opset != 0 && int64(o.Opset) < m.net.Opset {
		return nil, &OptionError{"opset", strconv.Itoa(o.Opset), fmt.Sprintf("%s has %d already", m.path, m.net.Opset)}
	}
	if m.weightless() {
		return nil, fmt.Errorf("%s: the network has no Conv, Gemm or MatMul with constant weights: there is nothing to quantize", m.path)
	}
	images, err := m.calibrationImages(o.CalibrationDir)
	if err != nil {
		return nil, err
	}
	trunk, tail := m.parts()
	mo := methodOptions(o, p)
	mo.Pixels = (*preprocess.Spec)(&m.pre)
	if mo.Images = images; !normalized(trunk) && withoutStatistics[o.Method] {
		m.substitute(trunk, o, &mo)
	}
	checkpoint := ""
	if o.Trains() || mo.Images == nil && o.keeps() {
		checkpoint, o.Resume, err = openCheckpoint(o.CheckpointDir, quantizeCheckpoint, o.Resume, o.Log)
	} else if o.CheckpointDir != "" {
		o.Log.Warn(keepsNone(o), "checkpoint", o.CheckpointDir)
	}
	if err != nil {
		return nil, err
	}
	if mo.Images != nil && !method.ByImages(o.Observer) {
		return nil, &OptionError{"observer", o.Observer, "goes by statistics, and " + m.path + " has none"}
	}
	if mo.Images != nil && !traits[o.Method].trains && o.Observer != movingObserver {
		mo.Generator.Batch = min(mo.Generator.Batch, lookPart)
	}
	if err := m.keepWithin(ctx, o, trunk, &mo); err != nil {
		return nil, m.explain(err, o)
	}
	if mo.Budget, err = m.budget(o, p); err != nil {
		return nil, err
	}
	if checkpoint != "" {
		mo.Checkpoint, mo.Resume = checkpoint, o.Resume
		mo.Fingerprint = fingerprint(m, o, mo.Images)
	}
	run, err := m.runMethod(ctx, o, trunk, mo)
	if err != nil {
		return nil, m.explain(err, o)
	}
	if err := ctx.Err(); err != nil { // a result that came too late is none
		return nil, err
	}
	if err := nn.FoldBatchNorm(run.Net); err != nil {
		return nil, fmt.Errorf("%s: %w", m.path, err)
	}
	if o.Scheme == nn.Deploy {
		nn.QuantizeNorms(run.Net)
	}
	whole, err := nn.Join(run.Net, tail)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.path, err)
	}
	q := &Quantized{
		Method: o.Method, Precision: o.precisionName(p), Scheme: o.Scheme, Seed: o.Seed,
		Kernels: kernel.Path(), Version: Version(), Source: m.SHA256(),
	}
	if mo.Generator.Parts > 1 {
		q.MicroBatch = mo.Generator.Batch
	}
	data, err := m.export(whole, q, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.path, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &Result{
		MicroBatch: q.MicroBatch,
		Method:     q.Method, Precision: q.Precision, Scheme: q.Scheme, Seed: q.Seed, Kernels: q.Kernels,
		Layers: layerCosts(run, o.Int4Storage),
		Steps:  run.Steps, Kept: run.Kept, Agreement: run.Agreement,
		artifact: artifact{data},
	}, nil
}

// lookPart is how many images that are there already are looked at a time, where neither training nor an average of batches
// depends on it: memory is all that more of them would take.
const lookPart = 8

// parts returns what is quantized, in the form that suits integers, and what remains behind it.
func (m *Model) parts() (trunk, tail *nn.Network) {
	net := m.net.Clone()
	nn.LinearHeads(net)
	return nn.Cut(net)
}

// methodOptions are o in the words of package method, without what depends on the model.
func methodOptions(o Options, p quant.Precision) method.Options {
	z := o.ZAQ
	schedule := engine.Cosine
	if z.Schedule == "step" {
		schedule = engine.Thirds
	}
	return method.Options{
		Place: nn.PlaceOptions{
			Scheme: o.Scheme, WBits: p.W, ABits: p.A, FirstLastBits: o.FirstLastBits, PerTensor: o.PerTensor,
		},
		MSE:      o.WeightRange == "mse",
		Observer: o.Observer,
		Source:   o.Images,
		KeepBias: o.KeepBias, Start: z.Start,
		Seed: o.Seed,
		Generator: method.Generator{
			Batch: z.Batch, Warmup: z.Warmup, LR: warmupLR, Latent: latent, NoClip: z.NoClip, Batches: calibrationBatches,
			HeldBack: min(heldBackBatches*z.Batch, 1024),
		},
		Tune: method.TuneOptions{
			Steps: z.Steps, QPerG: z.QPerG, Schedule: schedule, LR: z.LR, GLR: z.GLR,
			Momentum: momentum, Decay: z.WeightDecay, GradClip: z.GradClip,
			RangeSteps: z.RangeSteps, PassGrad: z.PassGrad, Keep: z.Keep,
		},
		ZAQ: method.ZAQOptions{
			Alpha: z.Alpha, Beta: z.Beta, Tau: z.Tau, FeatureEMA: z.FeatureEMA, FeatureLoss: z.FeatureLoss, Uniform: z.LayerWeights == "uniform",
		},
		GDFQ:    method.GDFQOptions{Statistics: o.GDFQ.Statistics, Distill: o.GDFQ.Distill, Temperature: o.GDFQ.Temperature},
		Synth:   o.Synth.images(z.Batch),
		Every:   o.CheckpointEvery,
		Profile: o.Profile.engine(),
		Warn:    func(text string) { o.Log.Warn(text) },
		Progress: func(p method.Progress) {
			o.Progress(Progress{Phase: phases[p.Phase], Step: p.Step, Total: p.Total, Metrics: metrics(p.Metrics)})
		},
	}
}

// Settings of the methods that nobody had a reason to change yet.
const (
	warmupLR           = 3e-3 // of the generator, Adam, at first
	latent             = 256  // width of the generator's noise
	momentum           = 0.9  // of SGD, Nesterov's
	calibrationBatches = 32   // of generated images, for activation ranges
	heldBackBatches    = 16   // of generated images by which P and Q are compared
)

// phases are the names that package method has for them.
var phases = map[string]string{"warm up": PhaseWarmUp, "images": PhaseImages, "calibrate": PhaseMeasure, "train": PhaseTrain}

func metrics(ms []method.Metric) []Metric {
	var out []Metric
	for _, m := range ms {
		out = append(out, Metric(m))
	}
	return out
}

// export encodes the network as an ONNX file, and reads that back as a stranger would: a file that zaq itself
// refuses must not leave it.
func (m *Model) export(net *nn.Network, q *Quantized, o Options) ([]byte, error) {
	metadata, err := q.metadata(m.pre)
	if err != nil {
		return nil, err
	}
	described, err := m.description.metadata()
	if err != nil {
		return nil, err
	}
	metadata = append(metadata, described...)
	file, err := nn.Export(net, nn.ExportOptions{
		Opset: int64(o.Opset), Int4Storage: o.Int4Storage,
		Metadata: metadata, ProducerName: producer, ProducerVersion: q.Version,
	})
	if err != nil {
		return nil, err
	}
	data, err := file.Encode()
	if err != nil {
		return nil, err
	}
	back, err := onnx.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("the quantized file: %w", err)
	}
	read, err := nn.Import(back)
	if err != nil {
		return nil, fmt.Errorf("the quantized file: %w", err)
	}
	if err := read.CheckTail(); err != nil {
		o.Log.Warn("the file will run in ONNX Runtime, but not in zaq run, zaq eval and package infer", "because", err)
	}
	return data, nil
}

// producer is the name under which files say who wrote them.
const producer = "zaq"

// layerCosts joins what a method measured with what is in its network.
func layerCosts(run *method.Result, int4Storage string) []LayerCost {
	activationBits := map[string]int{}
	for _, l := range run.Net.Summary() {
		activationBits[l.Name] = l.ActivationBits
	}
	var costs []LayerCost
	for i, c := range run.Costs {
		w := run.Placement.Weights[i]
		bits := w.Quantizer.Bits
		size := int64(len(w.Value.Data))
		if bits <= 4 && int4Storage == nn.Int4Packed {
			size = (size + 1) / 2
		}
		costs = append(costs, LayerCost{
			Layer: c.Layer.Name, Kind: c.Layer.Op.Kind(),
			WeightBits: bits, ActivationBits: activationBits[c.Layer.Name],
			WeightSQNR: finite(c.WeightSQNR), OutputSQNR: finite(c.OutputSQNR), Bytes: size,
		})
	}
	return costs
}

// lossless bounds ratios, in decibels: a layer that lost nothing has an infinite one, which JSON cannot say.
const lossless = 150

func finite(decibels float64) float64 { return min(max(decibels, -lossless), lossless) }
