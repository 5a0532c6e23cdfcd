package nn

// ChannelClip limits each channel to a range of its own: what is left of a ReLU6 whose channels were scaled.
type ChannelClip struct{ Min, Max []float32 }

// Kind is the name of an operator that ONNX does not have: a file has Max and Min with a constant for each channel.
func (ChannelClip) Kind() string { return "ChannelClip" }
