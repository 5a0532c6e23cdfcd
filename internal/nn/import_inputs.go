package nn

import (
	"errors"
	"fmt"
	"slices"

	"zaq/internal/onnx"
)

// inputTypes are the types of elements that inputs may have.
var inputTypes = []onnx.DataType{onnx.Float, onnx.Float16, onnx.Double, onnx.Uint8}

// InputTypeError reports an input of elements that no network is read with.
type InputTypeError struct {
	Input string
	Type  onnx.DataType
}

func (e *InputTypeError) Error() string {
	return fmt.Sprintf("input %q: elements are %v, only float32, float16, float64 and uint8 are supported", e.Input, e.Type)
}

// inputs makes the network's inputs of the graph's. Until IR version 4 initializers had to be listed among
// them; such are constants all the same.
func (im *importer) inputs() error {
	for _, v := range im.graph.Inputs {
		if im.initializers[v.Name] != nil {
			continue
		}
		if !slices.Contains(inputTypes, v.Type) {
			return &InputTypeError{v.Name, v.Type}
		}
		if v.Shape != nil && len(v.Shape) == 0 {
			return fmt.Errorf("input %q is a scalar: inputs need a batch axis; what is the same for all images belongs into the file as a constant", v.Name)
		}
		if len(v.Shape) == 0 {
			return fmt.Errorf("input %q: shape is not known or has no batch axis", v.Name)
		}
		shape := make([]int, len(v.Shape))
		shape[0] = Batch
		for i, d := range v.Shape[1:] {
			if d.Size < 1 || d.Size > maxElements {
				image := len(v.Shape) == 4 && (i+1 == sideAxis(im.channelsLast[v.Name], 0) || i+1 == sideAxis(im.channelsLast[v.Name], 1))
				return &OpenSizeError{v.Name, i + 1, image}
			}
			shape[i+1] = int(d.Size)
		}
		if size(shape) > maxElements {
			return fmt.Errorf("input %q: %v has too many elements", v.Name, shape)
		}
		batch := ""
		switch d := v.Shape[0]; {
		case d.Size == 1:
			im.bakedBatch = true
		case d.Size >= 0:
			return fmt.Errorf("input %q: batch is fixed to %d, want a symbolic axis or 1", v.Name, d.Size)
		case d.Param == "":
			batch = "N"
		default:
			batch = d.Param
		}
		if len(im.net.Inputs) > 0 && batch != im.net.BatchDim {
			return fmt.Errorf("input %q: batch axis %q differs from %q of %q", v.Name, batch, im.net.BatchDim, im.net.Inputs[0])
		}
		im.net.BatchDim = batch
		im.net.Inputs = append(im.net.Inputs, v.Name)
		port := Port{Type: v.Type, ChannelsLast: im.channelsLast[v.Name]}
		if port.ChannelsLast {
			shape = permuted(shape, toChannelsFirst)
		}
		if port != (Port{Type: onnx.Float}) {
			im.net.Ports[v.Name] = port
		}
		if v.Type == onnx.Uint8 || v.Type == onnx.Double {
			im.foreign[v.Name] = v.Type
		}
		im.net.Values[v.Name] = &Value{Name: v.Name, Shape: shape}
	}
	if len(im.net.Inputs) == 0 {
		return errors.New("graph has no inputs")
	}
	return nil
}
