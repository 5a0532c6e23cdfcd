package method

import (
	"context"
	"errors"
	"math"
	"time"

	"zaq/internal/engine"
	"zaq/internal/nn"
)

// ZAQOptions tune method zaq; see Liu, Zhang and Wang (2021), Zero-shot Adversarial Quantization.
type ZAQOptions struct {
	Steps    int // of Q
	QPerG    int // steps of Q for each of G
	Schedule engine.Schedule
	LR, GLR  float64

	Alpha, Beta float64 // of D_f and of L_a
	Tau         float64 // temperature of the layer weights
	FeatureEMA  float64 // decay, per epoch, of the distances behind them
	Momentum    float64
	Decay       float64
	GradClip    float64 // largest norm of a gradient; 0: no limit

	RangeSteps int  // steps of Q during which activation ranges move
	PassGrad   bool // gradients pass outside of quantizers' ranges
	KeepLast   bool // keep the last weights, not those with the best agreement
}

// epoch is the published number of iterations after which the layer weights of D_f are renewed.
const epoch = 60

// checks is how often agreement on the held-back images is measured once ranges are frozen.
const checks = 8

// ZAQ fine-tunes the quantized network Q against the float network P on images that a generator makes where the two
// differ most:
//
//	G: min -D_o - alpha*D_f + beta*L_a        Q: min D_o + alpha*D_f
//
// with D_o the mean absolute difference of outputs, D_f that of channel relation maps (engine.CRM), and
// L_a = -mean|h|, h the activation of P's last convolutional block.
func ZAQ(ctx context.Context, net *nn.Network, o Options) (*Result, error) {
	r, err := newZAQ(net, o)
	if err != nil {
		return nil, err
	}
	if err := r.resume(); err != nil {
		return nil, err
	}
	r.saved = time.Now()
	if err := r.warm.run(ctx, r.checkpoint); err != nil {
		return nil, r.stopped(ctx, err)
	}
	if r.warmed == nil {
		r.warmed = valuesOf(r.gen.Params)
	}
	if !r.calibrated {
		if err := r.calibrate(ctx); err != nil {
			return nil, r.stopped(ctx, err)
		}
		r.calibrated = true
	}
	if err := r.train(ctx); err != nil {
		return nil, r.stopped(ctx, err)
	}
	// What comes now changes Q; a run that is stopped there goes on from here.
	if err := r.save(); err != nil {
		return nil, err
	}
	if err := r.checkParams(); err != nil {
		return nil, err
	}
	kept := r.step
	if r.best.params != nil {
		setValues(r.q.Params, r.best.params)
		kept = r.best.step
	}
	result, err := r.result(ctx, r.pool)
	if err != nil {
		return nil, err
	}
	result.Steps, result.Kept = r.step, kept
	return result, nil
}

// zaq is the state of a run.
type zaq struct {
	*twins
	z    ZAQOptions
	warm *warmup

	calibrated   bool
	warmed       [][]float32 // parameters of the generator before it was trained against Q
	pool         *images     // held back, of the warmed generator
	poolSeen     *viewer
	do           []*engine.Loss
	df           *engine.CRM
	la           *engine.Loss
	qProg, gProg *engine.Program
	sgd          *engine.SGD
	adam         *engine.Adam
	step         int // of Q, done

	distances []float64 // sums over the running epoch
	average   []float64 // moving average over epochs
	epochs    int

	best  snapshot
	saved time.Time
}

// snapshot is what Q was at its best.
type snapshot struct {
	step      int
	agreement float64
	params    [][]float32
}

func newZAQ(net *nn.Network, o Options) (*zaq, error) {
	r := &zaq{z: o.ZAQ}
	var err error
	if r.twins, err = newTwins(net, &o); err != nil {
		return nil, err
	}
	switch {
	case o.Generator.Warmup > 0 && !r.hasStats():
		return nil, ErrNoBatchNorm
	case len(r.pFeat) == 0:
		return nil, errors.New("the network makes no feature maps by which it could be compared with its quantized twin: it has no convolution")
	}
	r.warm = newWarmup(r.twins)
	r.adam = r.warm.adam
	for i := range r.pOut {
		r.do = append(r.do, r.g.L1("D_o", r.pOut[i], r.qOut[i]))
	}
	r.df = r.g.CRM("D_f", r.pFeat, r.qFeat)
	r.la = r.g.MeanAbs("mean activation", r.pFeat[len(r.pFeat)-1])
	r.distances, r.average = make([]float64, len(r.pFeat)), make([]float64, len(r.pFeat))
	r.sgd = engine.NewSGD(r.q.Params, r.z.Momentum, r.z.Decay, true)

	objective := func(sign float64) (terms []engine.Term) {
		for _, l := range r.do {
			terms = append(terms, engine.Term{Loss: l, Coef: sign / float64(len(r.do))})
		}
		return append(terms, engine.Term{Loss: r.df.Loss, Coef: sign * r.z.Alpha})
	}
	spec := engine.Spec{Batch: o.Generator.Batch, Threads: o.Threads}
	spec.Objective, spec.WRT, spec.Profile = objective(1), r.q.Params, o.Profile.Of("Q step")
	if r.qProg, err = r.g.Compile(spec); err != nil {
		return nil, err
	}
	// L_a is minus the mean activation.
	spec.Objective, spec.WRT = append(objective(-1), engine.Term{Loss: r.la, Coef: -r.z.Beta}), r.gen.Params
	spec.Profile = o.Profile.Of("G step")
	r.gProg, err = r.g.Compile(spec)
	return r, err
}

func (r *zaq) train(ctx context.Context) (err error) {
	if err := r.holdBack(ctx); err != nil {
		return err
	}
	if r.poolSeen, err = r.viewer(r.o.Generator.Batch, nil); err != nil {
		return err
	}
	for {
		// Checks come first, so that one that was interrupted is made up for when the run goes on.
		if err := r.check(ctx); err != nil {
			return err
		}
		if r.step >= r.z.Steps {
			return nil
		}
		rate := r.z.Schedule(r.step, r.z.Steps)
		if r.step%r.z.QPerG == 0 {
			r.stepG(rate)
		}
		r.stepQ(rate)
		r.measureLayers()
		if err := r.report(); err != nil {
			return err
		}
		if err := r.checkpoint(); err != nil {
			return err
		}
	}
}

// holdBack paints the pool with the generator as it was before training, whatever it is by now: a run that goes on
// needs not keep the images.
func (r *zaq) holdBack(ctx context.Context) (err error) {
	if r.pool != nil {
		return nil
	}
	defer setValues(r.gen.Params, valuesOf(r.gen.Params))
	setValues(r.gen.Params, r.warmed)
	r.pool, err = r.paint(ctx, r.o.heldBack(), "held back")
	return err
}

func (r *zaq) stepG(rate float64) {
	r.noise(r.gProg.Data(r.gen.Z), r.step, "discrepancy estimation")
	r.gProg.Run()
	engine.ClipGradNorm(r.gen.Params, r.z.GradClip)
	r.adam.LR = r.z.GLR * rate
	r.adam.Step()
}

func (r *zaq) stepQ(rate float64) {
	moving := r.step < r.z.RangeSteps && r.o.Images == nil && len(r.ranges.sites) > 0
	r.ranges.watch(moving)
	r.noise(r.qProg.Data(r.gen.Z), r.step, "knowledge transfer")
	r.qProg.Run()
	if moving {
		r.ranges.update()
		r.ranges.apply()
		r.ranges.watch(false)
	}
	engine.ClipGradNorm(r.q.Params, r.z.GradClip)
	r.sgd.LR = r.z.LR * rate
	r.sgd.Step()
	r.step++
}

// measureLayers renews the weights of D_f after every epoch: w = softmax(a/mean(a)/tau), a the moving average of the
// layers' distances. Without the division by the mean the softmax would be uniform to a few percent.
func (r *zaq) measureLayers() {
	for l, d := range r.df.Distances {
		r.distances[l] += d
	}
	if r.step%epoch != 0 {
		return
	}
	decay := r.z.FeatureEMA
	if r.epochs == 0 {
		decay = 0
	}
	r.epochs++
	var mean float64
	for l, d := range r.distances {
		r.average[l] = float64(decay*r.average[l]) + float64((1-decay)*d/epoch)
		mean += r.average[l] / float64(len(r.average))
		r.distances[l] = 0
	}
	r.weigh(mean)
}

func (r *zaq) weigh(mean float64) {
	if mean == 0 {
		return
	}
	var sum float64
	for l, a := range r.average {
		r.df.Weights[l] = math.Exp(a / mean / r.z.Tau)
		sum += r.df.Weights[l]
	}
	for l := range r.df.Weights {
		r.df.Weights[l] /= sum
	}
}

func (r *zaq) report() error {
	var do float64
	for _, l := range r.do {
		do += l.Value / float64(len(r.do))
	}
	m := []Metric{{"D_o", do}, {"alpha*D_f", r.z.Alpha * r.df.Loss.Value}, {"L_a", -r.la.Value}}
	if err := finite("train", r.step, m...); err != nil {
		return err
	}
	r.o.report("train", r.step, r.z.Steps, m...)
	return nil
}

// checkParams refuses weights that are not numbers. Losses need not show them: on a grid they become zeros.
func (r *zaq) checkParams() error {
	for _, p := range r.q.Params {
		if err := finiteArray("train", r.step, p.Name, p.Data); err != nil {
			return err
		}
	}
	return nil
}

// check compares P and Q on the held-back images, a few times after ranges are frozen, and remembers the best.
// A second check of the same step changes nothing.
func (r *zaq) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	every := max(1, (r.z.Steps-r.z.RangeSteps)/checks)
	if r.z.KeepLast || r.step == 0 || r.step < r.z.RangeSteps || (r.z.Steps-r.step)%every != 0 {
		return nil
	}
	a, err := r.poolSeen.agreement(ctx, r.pool)
	if err != nil {
		return err
	}
	if err := r.checkParams(); err != nil {
		return err
	}
	if r.best.params == nil || a >= r.best.agreement {
		r.best = snapshot{r.step, a, valuesOf(r.q.Params)}
	}
	return nil
}
