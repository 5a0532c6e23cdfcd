package onnx

import "google.golang.org/protobuf/encoding/protowire"

// Function names an operator that a model defines itself, of nodes.
type Function struct{ Domain, Name string }

// Functions returns the operators that m defines itself. What they consist of is kept and not looked at.
func (m *Model) Functions() ([]Function, error) {
	var functions []Function
	err := message{b: m.unknown}.fields(func(f field) error {
		if f.num != 25 || f.typ != protowire.BytesType {
			return nil
		}
		functions = append(functions, Function{})
		return f.message(functions[len(functions)-1].decode)
	})
	return functions, err
}

func (fn *Function) decode(msg message) error {
	return msg.fields(func(f field) error {
		switch f.num {
		case 1:
			return f.string(&fn.Name)
		case 10:
			return f.string(&fn.Domain)
		}
		return nil
	})
}
