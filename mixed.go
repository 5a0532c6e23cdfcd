package zaq

import (
	"fmt"
	"strconv"
	"strings"

	"zaq/internal/method"
	"zaq/internal/nn"
	"zaq/internal/quant"
)

// autoPrecision is how a precision begins that leaves the bits of weights to the method: "auto" or "autoa8" for instance.
const autoPrecision = "auto"

// mixed reports whether weights get bits by layer.
func (o Options) mixed() bool { return strings.HasPrefix(strings.ToLower(o.Precision), autoPrecision) }

// precision reads Precision. Weights that get bits by layer count as having 4.
func (o Options) precision() (quant.Precision, error) {
	if !o.mixed() {
		w, a, err := ParsePrecision(o.Precision)
		return quant.Precision{W: w, A: a}, err
	}
	p := quant.Precision{W: 4, A: quant.MaxBits}
	suffix := strings.ToLower(o.Precision)[len(autoPrecision):]
	if suffix == "" {
		return p, nil
	}
	a, err := strconv.Atoi(strings.TrimPrefix(suffix, "a"))
	if err != nil || suffix[0] != 'a' || a < quant.MinBits || a > quant.MaxBits {
		return p, &HintError{
			Err:    &OptionError{"precision", o.Precision, "activations have 2 to 8 bits"},
			Advice: "autoa8 means weights of bits by layer and 8-bit activations",
		}
	}
	p.A = a
	return p, nil
}

// precisionName is the precision as results have it.
func (o Options) precisionName(p quant.Precision) string {
	if o.mixed() {
		return fmt.Sprintf("%sa%d", autoPrecision, p.A)
	}
	return p.String()
}

// checkMixed reports what does not go together with bits by layer. o has its defaults.
func (o Options) checkMixed() error {
	switch {
	case o.MeanBits < 0 || o.MeanBits > quant.MaxBits || o.MeanBits != o.MeanBits:
		return &OptionError{"mean-bits", fmt.Sprint(o.MeanBits), "must be 2 to 8"}
	case o.Size < 0:
		return &OptionError{"size", fmt.Sprint(o.Size), "must not be negative"}
	case !o.mixed() && (o.MeanBits > 0 || o.Size > 0):
		return &HintError{
			Err:    &OptionError{"precision", o.Precision, "says how many bits all weights have, and so leaves nothing to a budget"},
			Advice: "--precision auto gives each layer bits of its own",
		}
	case !o.mixed():
		return nil
	case (o.MeanBits > 0) == (o.Size > 0):
		return &HintError{
			Err:    &OptionError{"precision", o.Precision, "needs a budget, and one only"},
			Advice: "--mean-bits 4, or --size 0.5MB of the file",
		}
	case o.MeanBits > 0 && o.MeanBits < quant.MinBits:
		return &OptionError{"mean-bits", fmt.Sprint(o.MeanBits), "must be 2 to 8"}
	case o.FirstLastBits != 0:
		return &OptionError{"first-last-bits", fmt.Sprint(o.FirstLastBits), "precision auto gives these layers bits of their own, too"}
	case o.Method == "aciq":
		return &HintError{
			Err:    &OptionError{"precision", o.Precision, "method aciq gives bits by channel, and a layer is stored with those of its largest: no budget would be kept"},
			Advice: "methods rtn, squant, dfq and zeroq keep one",
		}
	case traits[o.Method].trains:
		return &OptionError{"precision", o.Precision, "method " + o.Method + " trains with the same bits everywhere"}
	case o.Images == method.SourceStatistics && o.CalibrationDir == "":
		return &HintError{
			Err:    &OptionError{"precision", o.Precision, "what bits do to a layer is measured on images, and method " + o.Method + " has none"},
			Advice: "--images zeroq or generator makes some, --calib DIR takes yours",
		}
	}
	return nil
}

// budget is what weights may take; nil where all have the same bits.
func (m *Model) budget(o Options, p quant.Precision) (*method.Budget, error) {
	if !o.mixed() {
		return nil, nil
	}
	packed := o.Int4Storage == nn.Int4Packed
	if o.MeanBits > 0 {
		return &method.Budget{MeanBits: o.MeanBits, Packed: packed}, nil
	}
	rest, least, err := m.overhead(o, p)
	if err != nil {
		return nil, err
	}
	if rest+least > o.Size {
		const digit = 100 // bytes: a tenth of a kB
		return nil, &HintError{
			Err:    &OptionError{"size", sizeFlag(o.Size), fmt.Sprintf("weights take %d bytes at least, and the rest of the file %d", least, rest)},
			Advice: "--size " + sizeFlag((rest+least+digit-1)/digit*digit) + " is the smallest that would do",
		}
	}
	return &method.Budget{Bytes: o.Size - rest, Packed: packed}, nil
}

// sizeFlag is a number of bytes as --size takes it.
func sizeFlag(n int64) string {
	for _, u := range []struct {
		bytes float64
		name  string
	}{{1e6, "MB"}, {1e3, "kB"}} {
		if v := float64(n); v >= u.bytes {
			return strconv.FormatFloat(v/u.bytes, 'f', -1, 64) + u.name
		}
	}
	return fmt.Sprint(n, "B")
}

// overhead is the size of the file but for its weights, that of one whose quantizers have any ranges, and the least that the
// weights take.
func (m *Model) overhead(o Options, p quant.Precision) (rest, least int64, err error) {
	trunk, tail := m.parts()
	net := trunk.Clone()
	nn.AbsorbConvBias(net)
	if o.PerTensor {
		if err := nn.FoldBatchNorm(net); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", m.path, err)
		}
	}
	placement, err := nn.Place(net, nn.PlaceOptions{Scheme: o.Scheme, WBits: 4, ABits: p.A, PerTensor: o.PerTensor})
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", m.path, err)
	}
	for _, s := range placement.Activations {
		s.Quantizer.SetRange(0, -1, 1)
	}
	seen := map[*nn.Value]bool{} // layers can share one
	for _, w := range placement.Weights {
		channels := 1
		if w.Quantizer.PerChannel {
			channels = w.Value.Shape[0]
		}
		w.Quantizer.SetRanges(quant.MinMaxChannels(w.Value.Data, channels))
		w.Round()
		n := int64(len(w.Value.Data))
		if o.Int4Storage == nn.Int4Packed {
			n = (n + 1) / 2
		}
		if !seen[w.Value] {
			seen[w.Value] = true
			least += n
		}
	}
	if err := nn.FoldBatchNorm(net); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", m.path, err)
	}
	if o.Scheme == nn.Deploy {
		nn.QuantizeNorms(net)
	}
	whole, err := nn.Join(net, tail)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", m.path, err)
	}
	data, err := m.export(whole, &Quantized{Method: o.Method, Precision: o.precisionName(p), Scheme: o.Scheme, Source: m.SHA256(), Version: Version()}, o)
	if err != nil {
		return 0, 0, err
	}
	const slack = 256 // names and numbers that are longer in the end
	return int64(len(data)) - least + slack, least, nil
}
