package preprocess

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// plain says what package json has to say about a value of the wrong type without the names of Go.
func plain(err error) error {
	var t *json.UnmarshalTypeError
	if !errors.As(err, &t) {
		return err
	}
	what := "it"
	if t.Field != "" {
		what = t.Field[strings.LastIndex(t.Field, ".")+1:]
	}
	if strings.HasPrefix(t.Value, "number ") && t.Type.Kind() == reflect.Float64 {
		return fmt.Errorf("%s is out of range: %s", what, t.Value)
	}
	return fmt.Errorf("%s is of JSON type %s, want %s", what, t.Value, wanted(t.Type))
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Float64:
		return "a number"
	case reflect.Int:
		return "a whole number"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "an array"
	}
	return "an object"
}
