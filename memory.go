package zaq

import (
	"context"
	"fmt"
	"runtime"

	"zaq/internal/method"
	"zaq/internal/nn"
)

const (
	leastPart   = 4  // images: fewer are no sample for the generator's normalizations
	plannedOf4  = 3  // fourths of the memory that may be planned; the rest is for what nobody plans
	poolShare   = 8  // of the memory that may go to the images by which P and Q are compared
	leastPool   = 64 // of them, whatever the memory
	bytesAFloat = 4  //
)

// keepWithin chooses how many images go through the networks at a time, so that the run keeps within o.Memory. The choice
// follows from the model and the options alone.
func (m *Model) keepWithin(ctx context.Context, o Options, trunk *nn.Network, mo *method.Options) error {
	if o.Images == method.SourceStatistics && mo.Images == nil {
		return nil
	}
	if o.Memory == 0 {
		return m.fits(ctx, o, trunk, mo)
	}
	batch := mo.Generator.Batch
	image := 0
	for _, in := range m.net.Inputs {
		image += size(m.net.Values[in].Shape[1:])
	}
	mo.Generator.HeldBack = min(mo.Generator.HeldBack, max(leastPool, int(o.Memory/poolShare/bytesAFloat)/image))
	var fits, least int64
	for part := min(leastPart, batch); part <= batch; part++ {
		if batch%part != 0 {
			continue
		}
		try := *mo
		try.Generator.Batch, try.Generator.Parts = part, batch/part
		n, err := method.Footprint(ctx, trunk, try, traits[o.Method].trains)
		if err != nil {
			return err
		}
		if n > o.Memory/4*plannedOf4 {
			least = max(least, n)
			break
		}
		fits = int64(part)
	}
	if fits == 0 {
		return &HintError{
			Err:    &OptionError{"memory", mebibytes(o.Memory), fmt.Sprintf("%d images at a time take about %s", min(leastPart, batch), mebibytes(least/plannedOf4*4))},
			Advice: "more memory, or a smaller --batch",
		}
	}
	parts := batch / int(fits)
	mo.Generator.Batch, mo.Generator.Parts = int(fits), parts
	mo.Generator.Batches *= parts
	mo.Synth.Batch = min(mo.Synth.Batch, int(fits))
	if parts > 1 {
		o.Log.Info("images at a time, to keep within the memory", "micro-batch", fits, "of", batch)
	}
	return nil
}

// fits returns an error where a run would take more memory than the machine has, which would end it without a word on why. Of
// networks whose tensors take a small part of it nothing is planned twice to find out.
func (m *Model) fits(ctx context.Context, o Options, trunk *nn.Network, mo *method.Options) error {
	there, largest := machineMemory(), 0
	for _, v := range trunk.Values {
		if !v.Const() && len(v.Shape) > 0 {
			largest = max(largest, size(v.Shape[1:]))
		}
	}
	const small = 64 // tensors of the largest size
	if int64(largest)*int64(mo.Generator.Batch)*bytesAFloat*small < there || there == 0 {
		return nil
	}
	try := *mo
	try.Threads = runtime.GOMAXPROCS(0)
	n, err := method.Footprint(ctx, trunk, try, traits[o.Method].trains)
	if err != nil || n <= there {
		return err
	}
	return &HintError{
		Err:    fmt.Errorf("%s: %d images at a time take about %s, the machine has %s", m.path, mo.Generator.Batch, mebibytes(n), mebibytes(there)),
		Advice: "a smaller --batch takes less, and --memory SIZE fewer images at a time",
	}
}

// mebibytes is a size as the flag takes it, rounded up.
func mebibytes(n int64) string { return fmt.Sprintf("%dMiB", (n+1<<20-1)>>20) }
