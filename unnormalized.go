package zaq

import (
	"zaq/internal/method"
	"zaq/internal/nn"
	"zaq/internal/synth"
)

// A network whose BatchNormalization was folded before its file was written remembers nothing of its data. No generator
// can be taught to make images for it; what is left to go by is that its input is images, prepared in a known way. Noise as smooth as
// photographs are then gives activation ranges and the means by which biases are corrected, and is what Q learns on. Where not
// even the preprocessing is known there is nothing, and the methods refuse.

// cloudImages is how many of these images there are at most, and cloudPixels how many pixels of all of them: few of large
// images are enough, as ranges are taken over all positions.
const (
	cloudImages = 512
	cloudPixels = 1 << 22
)

// normalized reports whether a network has statistics of its data.
func normalized(n *nn.Network) bool {
	for _, l := range n.Layers {
		if _, ok := l.Op.(nn.BatchNorm); ok {
			return true
		}
	}
	return false
}

// withoutStatistics are the methods that make do with images of any kind. The others use the statistics themselves.
var withoutStatistics = map[string]bool{"rtn": true, "dfq": true, "aciq": true, "squant": true, "zaq": true}

// unnormalizedLR is the learning rate of Q where noise is all it learns from: it is taken as far as it leads, not further.
const unnormalizedLR = 0.001

// defaults are those of Options, but where there is only such noise, or where weights are not normalized. It has fewer large
// values than photographs, so that at 6 bits and more all of them should fit.
func (m *Model) defaults(o Options) Options {
	observer, lr := o.Observer, o.ZAQ.LR
	o = o.withDefaults()
	trunk, _ := nn.Cut(m.net)
	if !withoutStatistics[o.Method] || normalized(trunk) {
		return o
	}
	if lr == 0 {
		o.ZAQ.LR = unnormalizedLR
	}
	if observer == "" && traits[o.Method].observer == "" && o.CalibrationDir == "" {
		o.Observer = "minmax"
		if o.coarse() {
			o.Observer = "mse"
		}
	}
	return o
}

// substitute gives the methods images where the user gave none, and says so in the log; nothing where nobody knows what
// the network's input is. There is no generator then: nothing would guide it, and what a network learns on its images is
// no good for photographs. Q learns on the images that there are.
func (m *Model) substitute(net *nn.Network, o Options, mo *method.Options) {
	if o.Images != traits[o.Method].images { // a source that needs statistics was asked for
		return
	}
	if mo.Images != nil {
		mo.Generator.Warmup, mo.Source = 0, method.SourceGiven
		return
	}
	inputs, err := mo.Inputs(net)
	if err != nil || m.pre.Assumed {
		return
	}
	largest := 0
	for _, in := range inputs {
		largest = max(largest, in.H*in.W)
	}
	n := min(cloudImages, max(16, cloudPixels/largest))
	o.Log.Warn("no BatchNormalization in "+m.path+": noise as smooth as photographs takes the place of a generator's images; "+
		"--calib DIR takes images of yours", "images", n)
	mo.Images = synth.Clouds(n, inputs, o.Seed)
	mo.Generator.Warmup, mo.Source = 0, method.SourceGiven
}
