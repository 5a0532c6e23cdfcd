package method

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zaq/internal/checkpoint"
	"zaq/internal/dataset"
	"zaq/internal/engine"
	"zaq/internal/nn"
	"zaq/internal/preprocess"
)

// TrainOptions say how Train trains a float network.
type TrainOptions struct {
	Epochs      int
	Batch       int     // images a step; what does not fill a last batch is left out of an epoch
	LR          float64 // peak
	WeightDecay float64 // of weights, not of biases, gamma and beta
	Smoothing   float64 // of labels: share of the target that is spread evenly over all classes
	Seed        uint64  // of order and augmentation

	Fingerprint string // of the run, in its checkpoint; see package checkpoint
	Checkpoint  string // file; "" writes none
	Resume      bool
	Every       time.Duration // between checkpoints; 0: 30 s

	Progress func(step, total int, loss, lr float64) // after every step; may be nil
	Epoch    func(number int, loss float64)          // after every epoch, with its mean loss; may be nil
	Threads  int                                     // 0: GOMAXPROCS
	Profile  *engine.Profiles
}

// TrainResult is how training went.
type TrainResult struct {
	Losses     []float64 // mean of each epoch
	Parameters int       // trainable numbers
}

// trainMomentum is that of SGD, with Nesterov's look ahead.
const trainMomentum = 0.9

// Train trains net, whose constants are where it starts and take the result, on a labelled set with
// cross-entropy: SGD with Nesterov momentum, one cycle of the learning rate, batch normalization on the
// statistics of the batch, images shifted and mirrored at random.
//
// All that is random is a function of the seed, the step and the place in the batch, so that neither the
// number of threads nor an interruption changes a bit of the result. When ctx is cancelled a checkpoint is
// written and the error of ctx returned. A loss that is no longer a number is an error.
func Train(ctx context.Context, net *nn.Network, set *dataset.Set, pixels *preprocess.Spec, o TrainOptions) (*TrainResult, error) {
	t, err := newTrainer(net, set, pixels, o)
	if err != nil {
		return nil, err
	}
	if o.Resume {
		if err := t.restore(); err != nil {
			return nil, err
		}
	}
	if err := t.run(ctx); err != nil {
		return nil, err
	}
	t.lowered.Store()
	return t.result(), nil
}

// trainer is a training run between two steps.
type trainer struct {
	o       TrainOptions
	batches *batches
	input   *engine.Tensor
	lowered *engine.Lowered
	loss    *engine.Loss
	program *engine.Program
	optim   *engine.SGD

	step, total int
	sums        []float64 // of the losses of each epoch's steps
}

func newTrainer(net *nn.Network, set *dataset.Set, pixels *preprocess.Spec, o TrainOptions) (*trainer, error) {
	b, err := newBatches(set, pixels, o.Batch, o.Seed)
	if err != nil {
		return nil, err
	}
	t := &trainer{o: o, batches: b, total: o.Epochs * b.perEpoch, sums: make([]float64, o.Epochs)}
	g := engine.NewTrainingGraph()
	t.input = g.Input(net.Inputs[0], set.H, set.W, set.C)
	t.lowered, err = engine.Lower(g, net, map[string]*engine.Tensor{net.Inputs[0]: t.input}, engine.LowerOptions{TrainBN: true})
	if err != nil {
		return nil, err
	}
	logits := t.lowered.Tensors[net.Outputs[0]]
	for i, label := range set.Labels {
		if label >= logits.Len() {
			return nil, fmt.Errorf("image %d of %s has label %d, and the network %d classes", i, set.Name, label, logits.Len())
		}
	}
	t.loss = g.CrossEntropy("cross-entropy", logits, b.labels, o.Smoothing)
	t.program, err = g.Compile(engine.Spec{
		Batch: o.Batch, Objective: []engine.Term{{Loss: t.loss, Coef: 1}}, WRT: t.lowered.Params, Threads: o.Threads,
		Profile: o.Profile.Of("train"),
	})
	if err != nil {
		return nil, err
	}
	t.optim = engine.NewSGD(t.lowered.Params, trainMomentum, o.WeightDecay, true)
	return t, nil
}

func (t *trainer) run(ctx context.Context) error {
	every := t.o.Every
	if every == 0 {
		every = 30 * time.Second
	}
	saved := time.Now()
	for t.step < t.total {
		if err := ctx.Err(); err != nil {
			if failed := t.save(); failed != nil {
				return failed
			}
			return err
		}
		if err := t.next(); err != nil {
			return err
		}
		if time.Since(saved) >= every {
			if err := t.save(); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	for _, a := range t.arrays() {
		if err := finiteArray("train", t.total, a.name, a.data); err != nil {
			return err
		}
	}
	return t.save()
}

// next takes one step.
func (t *trainer) next() error {
	t.batches.fill(t.program.Data(t.input), t.step)
	t.program.Run()
	loss := t.loss.Value
	if err := finite("train", t.step+1, Metric{t.loss.Name, loss}); err != nil {
		return err
	}
	t.optim.LR = t.o.LR * oneCycle(t.step, t.total)
	t.optim.Step()
	t.sums[t.step/t.batches.perEpoch] += loss
	t.step++
	if t.o.Progress != nil {
		t.o.Progress(t.step, t.total, loss, t.optim.LR)
	}
	if epoch := t.step / t.batches.perEpoch; t.o.Epoch != nil && t.step%t.batches.perEpoch == 0 {
		t.o.Epoch(epoch, t.epochLoss(epoch-1))
	}
	return nil
}

// epochLoss is the mean loss of an epoch that is over; they count from 0.
func (t *trainer) epochLoss(epoch int) float64 {
	return t.sums[epoch] / float64(t.batches.perEpoch)
}

func (t *trainer) result() *TrainResult {
	r := &TrainResult{}
	for i := range t.sums {
		r.Losses = append(r.Losses, t.epochLoss(i))
	}
	for _, p := range t.lowered.Params {
		r.Parameters += len(p.Data)
	}
	return r
}

// oneCycle is the factor of the learning rate at a step: linearly up to 1 in the first fifth, then down
// to 0 along half a cosine (Smith and Topin, Super-Convergence, 2019, with the cosine in place of the
// second line).
func oneCycle(step, total int) float64 {
	rise := max(total/5, 1)
	if step < rise {
		return float64(step+1) / float64(rise)
	}
	return engine.Cosine(step-rise, total-rise)
}

// save writes a checkpoint, where one is wanted.
func (t *trainer) save() error {
	if t.o.Checkpoint == "" {
		return nil
	}
	s := &checkpoint.State{Fingerprint: t.o.Fingerprint}
	checkpoint.Put(s, "step", t.step)
	checkpoint.Put(s, "losses", t.sums)
	for _, a := range t.arrays() {
		checkpoint.Put(s, a.name, a.data)
	}
	return checkpoint.Save(t.o.Checkpoint, s)
}

// restore goes back to the checkpoint.
func (t *trainer) restore() error {
	s, err := checkpoint.LoadMatching(t.o.Checkpoint, t.o.Fingerprint)
	if err != nil {
		return err
	}
	if t.step, err = checkpoint.Get[int](s, "step"); err == nil && (t.step < 0 || t.step > t.total) {
		err = fmt.Errorf("step %d of %d", t.step, t.total)
	}
	err = errors.Join(err, checkpoint.Fill(s, "losses", t.sums))
	for _, a := range t.arrays() {
		err = errors.Join(err, checkpoint.Fill(s, a.name, a.data))
	}
	if err != nil {
		return &checkpoint.Error{Path: t.o.Checkpoint, Err: err}
	}
	for _, p := range t.lowered.Params {
		p.Changed()
	}
	return nil
}

// namedArray is a part of the run's state.
type namedArray struct {
	name string
	data []float32
}

// arrays are all numbers that a step changes.
func (t *trainer) arrays() []namedArray {
	var list []namedArray
	for i, p := range t.lowered.Params {
		list = append(list, namedArray{p.Name, p.Data}, namedArray{"velocity " + p.Name, t.optim.Velocity[i]})
	}
	for _, n := range t.lowered.PreNorm {
		list = append(list, namedArray{"mean " + n.Tensor.Name, n.Stats.Mean}, namedArray{"variance " + n.Tensor.Name, n.Stats.Var})
	}
	return list
}
