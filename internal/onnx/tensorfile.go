package onnx

// DecodeTensor reads a TensorProto that stands alone, as the test data beside models does.
func DecodeTensor(data []byte) (*Tensor, error) {
	t := new(Tensor)
	if err := t.decode(message{b: data}); err != nil {
		return nil, err
	}
	return t, t.checkData()
}
