package infer

import (
	"reflect"
	"testing"

	"zaq/internal/nn"
)

// floatsIn counts the floating-point numbers that a value holds, other than zeros: all fields, also those of other
// packages, through pointers, slices and maps.
func floatsIn(v reflect.Value, seen map[uintptr]bool) int {
	n := 0
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		if v.Float() != 0 {
			n++
		}
	case reflect.Pointer:
		if !v.IsNil() && !seen[v.Pointer()] {
			seen[v.Pointer()] = true
			n += floatsIn(v.Elem(), seen)
		}
	case reflect.Interface:
		if !v.IsNil() {
			n += floatsIn(v.Elem(), seen)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Type == reflect.TypeFor[note]() { // names, tensors and counts: for people
				continue
			}
			n += floatsIn(v.Field(i), seen)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			n += floatsIn(v.Index(i), seen)
		}
	}
	return n
}

// In fixed point no step between the quantized input and the last integer tensor holds a floating-point number, so none can
// compute with one: what the kernels multiply by lies in the steps. The other way of requantizing holds many.
func TestFixedHoldsNoFloats(t *testing.T) {
	for name, n := range map[string]*nn.Network{"resnet": smallResNet(t), "mobilenet": smallMobileNet(t)} {
		m := deploy(t, n, 4, 4)
		count := map[string]int{}
		for _, requant := range []string{ORT, Fixed} {
			p := compiled(t, m, options{requant: requant})
			for i, s := range p.steps {
				about := s.about()
				switch {
				case about.out == nil: // behind the last integer tensor
					if i < len(p.steps)-2 {
						t.Errorf("%s: step %d, %s (%s), makes real values", name, i, about.Name, about.Op)
					}
				case len(about.from) > 0:
					if i != 0 {
						t.Errorf("%s: step %d, %s (%s), reads real values", name, i, about.Name, about.Op)
					}
				default:
					k := floatsIn(reflect.ValueOf(s), map[uintptr]bool{})
					if count[requant] += k; requant == Fixed && k > 0 {
						t.Errorf("%s: step %s (%s) holds %d floating-point numbers", name, about.Name, about.Op, k)
					}
				}
			}
		}
		if count[ORT] == 0 {
			t.Errorf("%s: no floating-point numbers found where there are some", name)
		}
	}
}
