// Package zaq quantizes trained convolutional networks to 2 to 8 bits without any data.
//
// An ONNX model goes in, an ONNX model with integer weights and activations comes out:
//
//	m, err := zaq.Load("resnet20.onnx")
//	if err != nil {
//		return err
//	}
//	r, err := zaq.Quantize(ctx, m, zaq.Options{Precision: "w4a4"})
//	if err != nil {
//		return err
//	}
//	return r.Write("resnet20.w4a4.onnx")
//
// # What to use
//
// The zero Options are the recommended ones: method zaq at 4-bit weights and activations under the deploy
// scheme. They need no tuning for networks of the size of ResNet-20 on 32 x 32 images; set Precision, and
// leave the rest until a measurement says otherwise.
//
// At 8 bits rounding is usually within a few tenths of a point of the float network and training buys
// nothing: "squant" takes less than a second, "rtn" (round to nearest, ranges from generated images) some
// minutes; "dfq" is for PerTensor weights and depthwise networks. From 4 bits down rounding loses points
// quickly and method "zaq" (zero-shot adversarial quantization, Liu et al., CVPR 2021) wins most of them
// back: a generator looks for images on which the float and the quantized network disagree, and the
// quantized network learns to disagree less there. That takes minutes, so give a CheckpointDir. The other
// Methods are there to be compared with: docs/algorithms has a page on each.
//
// Use scheme "deploy", the default, for a file that is to run: every convolution becomes an integer kernel
// in ONNX Runtime. Use scheme "paper" to compare with published tables, and for nothing else: it leaves
// biases, residual sums and the image in float, as those tables do, so its accuracy is higher and no integer
// runtime executes it as it stands. A precision without its scheme says little; Result and the written file
// always carry both.
//
// # What the network must bring
//
// Preprocessing: what turns pixels into the network's input. It is read from the metadata of a file that zaq wrote,
// or from MODEL.json beside any other MODEL.onnx; WithDescription and WithPreprocessing override both. Where nothing is
// known, standardized input is assumed and a warning logged. The generator paints pixels, not inputs, and wrong
// preprocessing gives it the wrong colours. Of several inputs it is about one; pictures of as many channels are prepared alike,
// and whatever else the network takes is assumed to be standardized (docs/data.md).
//
// BatchNormalization, unfolded: its running statistics are the only memory of the training data that the
// file has. For a model whose exporter folded them away, activation ranges come from images in CalibrationDir or, where
// its preprocessing is known, from noise as smooth as photographs, and Q learns on them; a warning says so. Without either
// it is refused.
//
// # What it does not do
//
// No test image is ever consulted. (Method "ft", the reference for all others, learns from the training part of Data.) Ranges come from generated images (or from unlabelled ones of your own in
// CalibrationDir), and the weights that are kept are the last ones, those of the start or with Keep "best" others on the way,
// whichever agree best with the float network on generated images that training does not see. Evaluate takes labelled images and gives a report, nothing
// flows back.
//
// Per-tensor weights (PerTensor) exist for runtimes that know nothing else. They cost accuracy at every
// width, on depthwise networks all of it.
//
// # Reproducibility
//
// The same model, options and seed give the same bytes, for any number of threads and whether or not the
// run was interrupted and resumed, on one kernel path (AVX-512, AVX2, NEON, portable Go) and architecture. Across
// paths, float sums differ in their last bits and training lets such differences grow; the path is recorded in
// the file's metadata.
package zaq

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"slices"
)

// Model is a network with what is known of its input and of its origin. It is not changed by any function
// of this package and may be shared between goroutines.
type Model struct {
	path string
	sum  [sha256.Size]byte
	pre  Preprocessing

	description
	loaded
}

// Path is where the model was read from.
func (m *Model) Path() string { return m.path }

// Files are those that the model was read from: its own, those beside it with tensors, and MODEL.json.
func (m *Model) Files() []string { return slices.Clone(m.files) }

// SHA256 is the hexadecimal digest of the file that the model was read from. Where tensors lie in files beside it,
// their bytes follow those of the file, in the order of the graph.
func (m *Model) SHA256() string { return hex.EncodeToString(m.sum[:]) }

// Preprocessing is how pixels become the network's input.
func (m *Model) Preprocessing() Preprocessing { return m.pre }

// Preprocessing maps pixels to network input, channel by channel:
//
//	value = (pixel*Scale - Mean) / Std        pixel in 0..255
type Preprocessing struct {
	Input   string    `json:"input,omitempty"` // name of the input that it is about; "" is the only one
	Scale   float64   `json:"scale"`
	Mean    []float64 `json:"mean"`              // one per channel of the input, in its order and after Scale
	Std     []float64 `json:"std"`               // likewise, all above 0
	Color   string    `json:"color"`             // order of the channels: "rgb", "bgr" or "gray"
	Size    [2]int    `json:"size"`              // height and width; 0, 0 where any will do
	Resize  string    `json:"resize,omitempty"`  // how images get Size: "stretch", "crop", or "" for those that have it
	Assumed bool      `json:"assumed,omitempty"` // nobody gave it: the input is taken for standardized, or for pixels that the network standardizes
}

// LoadOption changes how Load reads a model.
type LoadOption func(*loadConfig)

type loadConfig struct {
	describe string
	size     [2]int
	override func(*Preprocessing)
	log      *slog.Logger
}

// WithPreprocessing has edit change the preprocessing that Load found (in MODEL.json, in the file's
// metadata, or the assumed one) before it is checked against the model.
func WithPreprocessing(edit func(*Preprocessing)) LoadOption {
	return func(c *loadConfig) { c.override = edit }
}

// WithDescription has Load read the JSON file at path in place of MODEL.json.
func WithDescription(path string) LoadOption {
	return func(c *loadConfig) { c.describe = path }
}

// WithInputSize says the height and the width of the images of a model that leaves them open, before its description, MODEL.json
// or other, is asked. All that is made of the model has that size. 0, 0 says nothing.
func WithInputSize(height, width int) LoadOption {
	return func(c *loadConfig) { c.size = [2]int{height, width} }
}

// WithLog has Load's warnings written to log. They are dropped otherwise.
func WithLog(log *slog.Logger) LoadOption {
	return func(c *loadConfig) { c.log = log }
}

// Load reads the ONNX model at path, float or quantized by this package, checks it, and finds its
// preprocessing. The error of a model with an operator that zaq does not know names the operator and its
// node.
func Load(path string, opts ...LoadOption) (*Model, error) {
	c := loadConfig{log: slog.New(slog.DiscardHandler)}
	for _, o := range opts {
		o(&c)
	}
	return load(path, c)
}
