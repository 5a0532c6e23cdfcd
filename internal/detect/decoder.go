package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// Output is what a network makes of one image, in ONNX's order and without the batch axis.
type Output struct {
	Shape []int
	Data  []float32
}

// Decoder is how boxes are read from the outputs of a network: the "decoder" of the JSON beside a model.
type Decoder struct {
	// Type is "yolov3", "nanodet" or "decoded": see yolo, nanodet and decoded in this package.
	Type           string  `json:"type"`
	Heads          []Head  `json:"heads,omitempty"`           // yolov3, nanodet
	Bins           int     `json:"bins,omitempty"`            // nanodet: distances that a side chooses from
	Scores         string  `json:"scores,omitempty"`          // decoded: output [n, classes]
	Boxes          string  `json:"boxes,omitempty"`           // decoded: output [n, 4]
	ScoreThreshold float64 `json:"score_threshold,omitempty"` // detections score more; default 0.05
	NMSIoU         float64 `json:"nms_iou,omitempty"`         // see Suppress; default 0.5
}

// Head is a grid of positions at which a network looks for objects.
type Head struct {
	Stride  int          `json:"stride"`             // pixels of the network's input between two positions
	Output  string       `json:"output,omitempty"`   // yolov3: [anchors*(5+classes), H, W]
	Anchors [][2]float64 `json:"anchors,omitempty"`  // yolov3: width and height in pixels of the network's input
	ScaleXY float64      `json:"scale_xy,omitempty"` // yolov3: stretch of the centre about that of its cell; default 1
	Scores  string       `json:"scores,omitempty"`   // nanodet: [H*W, classes]
	Boxes   string       `json:"boxes,omitempty"`    // nanodet: [H*W, 4*bins]
}

// ParseDecoder reads the JSON form. A field that it does not know is an error: it could change what is found.
func ParseDecoder(b []byte) (*Decoder, error) {
	d := &Decoder{ScoreThreshold: 0.05, NMSIoU: 0.5}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(d); err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	if err := d.validate(); err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	return d, nil
}

func (d *Decoder) validate() error {
	switch {
	case d.Type != "yolov3" && d.Type != "nanodet" && d.Type != "decoded":
		return fmt.Errorf("unknown type %q; known: yolov3, nanodet, decoded", d.Type)
	case !(d.ScoreThreshold >= 0 && d.ScoreThreshold < 1):
		return fmt.Errorf("score_threshold is %v, want 0 to below 1", d.ScoreThreshold)
	case !(d.NMSIoU > 0 && d.NMSIoU <= 1):
		return fmt.Errorf("nms_iou is %v, want above 0 to 1", d.NMSIoU)
	case d.Type == "decoded" && (d.Scores == "" || d.Boxes == ""):
		return errors.New("names no outputs with scores and boxes")
	case d.Type != "decoded" && len(d.Heads) == 0:
		return errors.New("has no heads")
	case d.Type == "nanodet" && (d.Bins < 2 || d.Bins > 1<<10):
		return fmt.Errorf("%d bins, want 2 or more", d.Bins)
	}
	for i := range d.Heads {
		h := &d.Heads[i]
		if h.ScaleXY == 0 {
			h.ScaleXY = 1
		}
		switch {
		case h.Stride < 1:
			return fmt.Errorf("head %d has stride %d", i, h.Stride)
		case d.Type == "yolov3" && (h.Output == "" || len(h.Anchors) == 0):
			return fmt.Errorf("head %d names no output or no anchors", i)
		case d.Type == "nanodet" && (h.Scores == "" || h.Boxes == ""):
			return fmt.Errorf("head %d names no outputs with scores and boxes", i)
		case !(h.ScaleXY > 0):
			return fmt.Errorf("head %d has scale_xy %v", i, h.ScaleXY)
		}
	}
	return nil
}

// Names returns the outputs that Decode needs.
func (d *Decoder) Names() []string {
	if d.Type == "decoded" {
		return []string{d.Scores, d.Boxes}
	}
	var names []string
	for _, h := range d.Heads {
		if d.Type == "yolov3" {
			names = append(names, h.Output)
		} else {
			names = append(names, h.Scores, h.Boxes)
		}
	}
	return names
}

// Decode returns what a network with an input of height size[0] and width size[1] finds in an image, by its outputs:
// clipped to the image, after suppression, in falling order of scores. Outputs of shapes that it does not expect are an
// error; the same network gives the same shapes for every image.
func (d *Decoder) Decode(outputs map[string]Output, size [2]int) ([]Detection, error) {
	for _, name := range d.Names() {
		if _, ok := outputs[name]; !ok {
			return nil, fmt.Errorf("decoder: the network has no output %q", name)
		}
	}
	c := collector{threshold: d.ScoreThreshold}
	var err error
	switch d.Type {
	case "decoded":
		err = c.decoded(outputs[d.Scores], outputs[d.Boxes])
	default:
		for _, h := range d.Heads {
			if d.Type == "yolov3" {
				err = c.yolo(h, outputs[h.Output], size)
			} else {
				err = c.nanodet(h, d.Bins, outputs[h.Scores], outputs[h.Boxes], size)
			}
			if err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	return Suppress(c.found, d.NMSIoU), nil
}

// collector keeps detections that score enough.
type collector struct {
	threshold float64
	found     []Detection
}

// add takes a detection in; box is called where the score is high enough.
func (c *collector) add(class int, score float64, box func() Box) {
	if !(score > c.threshold) { // NaN is not
		return
	}
	if b := box(); b.finite() {
		c.found = append(c.found, Detection{class, score, b.clip()})
	}
}

// decoded reads scores [n, classes] and boxes [n, 4] that the network has decoded itself: left, top, right and bottom
// side in fractions of the image.
func (c *collector) decoded(scores, boxes Output) error {
	n, classes, err := rows(scores)
	if err != nil {
		return fmt.Errorf("scores: %w", err)
	}
	if m, sides, err := rows(boxes); err != nil || m != n || sides != 4 {
		return fmt.Errorf("boxes have shape %v, want [%d 4]", boxes.Shape, n)
	}
	for i := range n {
		for class := range classes {
			c.add(class, float64(scores.Data[i*classes+class]), func() Box {
				b := boxes.Data[4*i : 4*i+4]
				return Box{float64(b[0]), float64(b[1]), float64(b[2]), float64(b[3])}
			})
		}
	}
	return nil
}

// rows checks that the output is a table.
func rows(o Output) (n, width int, err error) {
	if len(o.Shape) != 2 || o.Shape[0]*o.Shape[1] != len(o.Data) {
		return 0, 0, fmt.Errorf("shape %v of %d values, want [n, width]", o.Shape, len(o.Data))
	}
	return o.Shape[0], o.Shape[1], nil
}

func sigmoid(x float32) float64 { return 1 / (1 + math.Exp(-float64(x))) }
