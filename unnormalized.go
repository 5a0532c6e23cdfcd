package zaq

import (
	"zaq/internal/nn"
	"zaq/internal/preprocess"
	"zaq/internal/synth"
)

// A network whose BatchNormalization was folded before its file was written remembers nothing of its data. No generator
// can be warmed up for it; what is left to go by is that its input is images, prepared in a known way. Its activation
// ranges then come from noise as smooth as photographs are. Where not even the preprocessing is known there is nothing,
// and the methods refuse.

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

// substitutes returns images for a network without statistics, in the form that it takes, and says so in the log; nil
// where it needs none, or where nobody knows what its input is.
func (m *Model) substitutes(net *nn.Network, o Options) []float32 {
	if normalized(net) || m.pre.Assumed || len(net.Inputs) != 1 {
		return nil
	}
	s := net.Values[net.Inputs[0]].Shape
	if len(s) != 4 {
		return nil
	}
	n := min(cloudImages, max(16, cloudPixels/(s[2]*s[3])))
	o.Log.Warn("no BatchNormalization in "+m.path+": activation ranges come from noise as smooth as photographs, and no generator is warmed up; "+
		"--calib DIR takes images of yours", "images", n)
	return synth.Clouds(n, s[2], s[3], s[1], (*preprocess.Spec)(&m.pre), o.Seed)
}
