package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"zaq"
)

// JSON writes v as indented JSON.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Evaluation writes accuracies.
func Evaluation(w io.Writer, e *zaq.Evaluation) error {
	top1, top5 := e.Accuracy()
	_, err := fmt.Fprintf(w, "top-1  %.2f %%  (%s of %s)\ntop-5  %.2f %%  (%s of %s)\n",
		top1, Count(e.Top1), Count(e.N), top5, Count(e.Top5), Count(e.N))
	return err
}

// Detection writes the mean average precision, and that of each class.
func Detection(w io.Writer, d *zaq.Detection) error {
	if _, err := fmt.Fprintf(w, "mAP@0.5  %.2f %%  (%s images, %d classes)\n\n", 100*d.MAP50, Count(d.N), len(d.Classes)); err != nil {
		return err
	}
	t := NewTable("class", ">boxes", ">AP %")
	for _, c := range d.Classes {
		t.Row(c.Name, c.Boxes, fmt.Sprintf("%.2f", 100*c.AP))
	}
	_, err := t.WriteTo(w)
	return err
}

// Result writes what a quantization did, with the most layers that lost most.
func Result(w io.Writer, r *zaq.Result, most int) error {
	fmt.Fprintf(w, "%s %s, scheme %s, seed %d, %s kernels, %s\n",
		r.Method, r.Precision, r.Scheme, r.Seed, r.Kernels, r.Elapsed.Round(time.Second/10))
	if r.Steps > 0 {
		kept := fmt.Sprintf("kept step %d of %d", r.Kept, r.Steps)
		if r.Kept == 0 {
			kept = fmt.Sprintf("kept the start, which none of %d steps bettered (a smaller --lr may)", r.Steps)
		}
		fmt.Fprintf(w, "%s: labels %.2f %% of held-back images as the float network does\n", kept, 100*r.Agreement)
	}
	return Layers(w, r.Layers, most)
}

// Layers writes the per-layer cost of the most layers with the lowest output SQNR, the worst first. Where
// outputs were not measured, weights decide.
func Layers(w io.Writer, layers []zaq.LayerCost, most int) error {
	if len(layers) == 0 {
		return nil
	}
	worst := slices.Clone(layers)
	slices.SortStableFunc(worst, func(a, b zaq.LayerCost) int {
		return cmp.Or(cmp.Compare(a.OutputSQNR, b.OutputSQNR), cmp.Compare(a.WeightSQNR, b.WeightSQNR))
	})
	title := fmt.Sprintf("\nlayers by signal to quantization noise, worst first (%d of %d):\n", min(most, len(worst)), len(worst))
	worst = worst[:min(most, len(worst))]
	t := NewTable("layer", "kind", ">W", ">A", ">weights dB", ">output dB", ">stored")
	for _, l := range worst {
		t.Row(l.Layer, l.Kind, Bits(l.WeightBits), Bits(l.ActivationBits), decibel(l.WeightSQNR), decibel(l.OutputSQNR), Size(l.Bytes))
	}
	if _, err := io.WriteString(w, title); err != nil {
		return err
	}
	_, err := t.WriteTo(w)
	return err
}

// decibel writes a ratio; 0 stands for one that was not measured.
func decibel(v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", v)
}

// Training writes how a float network came out.
func Training(w io.Writer, r *zaq.TrainResult) error {
	_, err := fmt.Fprintf(w, "%s, %s parameters, %d epochs, loss %.4f, %s\n",
		r.Arch, Count(r.Parameters), r.Epochs, r.Loss, r.Elapsed.Round(time.Second/10))
	if err != nil || r.Test.N == 0 {
		return err
	}
	return Evaluation(w, &r.Test)
}

// Summary writes what a model file holds.
func Summary(w io.Writer, s *zaq.Summary) error {
	head := NewTable("model", s.Path)
	head.Row("sha256", s.SHA256)
	head.Row("size", Size(s.Bytes))
	head.Row("opset", s.Opset)
	if s.Producer != "" {
		head.Row("producer", s.Producer)
	}
	for _, p := range s.Inputs {
		head.Row("input", port(p))
	}
	for _, p := range s.Outputs {
		head.Row("output", port(p))
	}
	head.Row("parameters", Count(s.Parameters))
	head.Row("MACs", Count(s.MACs)+" an image")
	head.Row("layers", operators(s.Operators))
	head.Row("statistics", fmt.Sprintf("BatchNormalization of %d of %d weighted layers", s.BatchNorms, s.Weighted))
	if len(s.Kernels) > 0 {
		head.Row("ONNX Runtime", operators(s.Kernels)+" in integers (predicted)")
	}
	p := s.Preprocessing
	how := fmt.Sprintf("(pixel * %.6g - %v) / %v, %s", p.Scale, p.Mean, p.Std, p.Color)
	if len(s.Inputs) > 1 {
		how += ", of input " + p.Input
	}
	head.Row("preprocessing", how)
	if q := s.Quantized; q != nil {
		how := fmt.Sprintf("%s %s, scheme %s, seed %d, %s kernels, zaq %s", q.Method, q.Precision, q.Scheme, q.Seed, q.Kernels, q.Version)
		if q.MicroBatch > 0 {
			how += fmt.Sprintf(", %d images at a time", q.MicroBatch)
		}
		head.Row("quantized", how)
		head.Row("source", q.Source)
	}
	if _, err := head.WriteTo(w); err != nil {
		return err
	}

	if len(s.Layers) > 0 {
		fmt.Fprintln(w)
	}
	quantized := s.Quantized != nil || len(s.Kernels) > 0
	if err := layerTable(w, s.Layers, quantized); err != nil || !quantized {
		return err
	}
	return floatLayers(w, s.Layers)
}

// layerTable lists all layers, with kernels where there are quantized ones.
func layerTable(w io.Writer, layers []zaq.LayerInfo, kernels bool) error {
	titles := []string{"layer", "kind", "weights", "output", ">parameters", ">MACs", "BN", ">W", ">A"}
	if kernels {
		titles = append(titles, "ONNX Runtime")
	}
	t := NewTable(titles...)
	for _, l := range layers {
		row := []any{l.Name, l.Kind, dims(l.Weights), dims(l.Output), count(l.Parameters), count(l.MACs), l.BatchNorm, "", ""}
		if l.WeightBits > 0 {
			row[7], row[8] = Bits(l.WeightBits), Bits(l.ActivationBits)
		}
		if kernels {
			row = append(row, kernelOf(l))
		}
		t.Row(row...)
	}
	_, err := t.WriteTo(w)
	return err
}

// count is Count, with nothing for 0.
func count[T ~int | ~int64](n T) string {
	if n == 0 {
		return ""
	}
	return Count(n)
}

func kernelOf(l zaq.LayerInfo) string {
	switch {
	case l.Fused:
		return "in " + l.Kernel
	case l.Kernel == "":
		return "float"
	}
	return l.Kernel
}

// floatLayers says why layers of a quantized file are expected to stay float.
func floatLayers(w io.Writer, layers []zaq.LayerInfo) error {
	t := NewTable("float in ONNX Runtime", "because")
	n := 0
	for _, l := range layers {
		if l.Float != "" {
			t.Row(l.Name, l.Float)
			n++
		}
	}
	if n == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	_, err := t.WriteTo(w)
	return err
}

func port(p zaq.Port) string { return fmt.Sprintf("%s  %s [%s]", p.Name, p.Type, dims(p.Shape)) }

// dims writes a shape as "N x 3 x 32 x 32".
func dims(shape []int) string {
	var s []string
	for _, d := range shape {
		if d < 0 {
			s = append(s, "N")
		} else {
			s = append(s, fmt.Sprint(d))
		}
	}
	return strings.Join(s, " x ")
}

// operators writes kinds by how often they occur.
func operators(kinds map[string]int) string {
	var names []string
	for k := range kinds {
		names = append(names, k)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(kinds[b], kinds[a]), cmp.Compare(a, b))
	})
	for i, k := range names {
		names[i] = fmt.Sprintf("%d %s", kinds[k], k)
	}
	return strings.Join(names, ", ")
}
