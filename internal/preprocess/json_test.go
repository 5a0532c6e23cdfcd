package preprocess

import "testing"

// Values of the wrong type are named in the words of JSON.
func TestWrongTypes(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                                       `it is of JSON type array, want an object`,
		`{"preprocess": {"scale": "x"}}`:           `preprocess: scale is of JSON type string, want a number`,
		`{"preprocess": {"scale": 1e400}}`:         `preprocess: scale is out of range: number 1e400`,
		`{"preprocess": {"mean": "gray"}}`:         `preprocess: mean is of JSON type string, want an array`,
		`{"preprocess": {"size": [0.5, 1]}}`:       `preprocess: size is of JSON type number 0.5, want a whole number`,
		`{"preprocess": {"color": 3}}`:             `preprocess: color is of JSON type number, want a string`,
		`{"preprocess": {"std": [{}]}}`:            `preprocess: std is of JSON type object, want a number`,
		`{"preprocess": {}, "num_classes": "ten"}`: `num_classes is of JSON type string, want a whole number`,
	} {
		if _, err := ParseSidecar([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
