package nn

import (
	"fmt"
	"slices"
	"testing"

	"zaq/internal/onnx"
	"zaq/internal/oracle"
)

// Of ratios that no float32 is, every mode takes the pixels that ONNX Runtime takes, by sizes and by scales.
func TestNearestResize(t *testing.T) {
	const height, width, batch = 13, 7, 2
	modes := []string{"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"}
	for _, opset := range []int64{11, 13, 19} {
		coordinates := modes
		switch opset {
		case 11:
			coordinates = append(slices.Clone(modes), "tf_half_pixel_for_nn")
		case 19:
			coordinates = append(slices.Clone(modes), "half_pixel_symmetric")
		}
		t.Run(fmt.Sprint("opset ", opset), func(t *testing.T) {
			t.Parallel()
			var names []string
			b := newGraph(opset)
			x := b.input("x", 1, height, width)
			for _, c := range coordinates {
				for _, nearest := range []string{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"} {
					how := []any{text("coordinate_transformation_mode", c), text("nearest_mode", nearest), text("mode", "nearest")}
					for _, to := range [][2]int64{{26, 10}, {39, 12}, {22, 11}, {5, 3}, {17, 23}} {
						args := append([]any{x, "", "", batchAnd(b, x, 1, to[0], to[1])}, how...)
						if opset < 13 {
							args[1], args[2] = b.floats([]int64{0}), b.floats([]int64{0})
						}
						b.output(b.node("Resize", args...))
						names = append(names, fmt.Sprint(c, " ", nearest, " to ", to))
					}
					for _, by := range []float32{5. / 3, 10. / 7, 1.6, 0.6} {
						switch {
						case c == "align_corners": // by what ONNX says the last pixel is that of a larger map, which ONNX Runtime has not
							continue
						case c == "half_pixel_symmetric", c == "tf_half_pixel_for_nn" && by == 0.6: // ties, for the last bit to decide
							continue
						}
						args := append([]any{x, "", b.floats([]int64{4}, 1, 1, by, by)}, how...)
						if opset < 13 {
							args[1] = b.floats([]int64{0})
						}
						b.output(b.node("Resize", args...))
						names = append(names, fmt.Sprint(c, " ", nearest, " by ", by))
					}
				}
			}
			weighed := make([]string, len(names)) // a trunk has them all
			for i, v := range b.model.Graph.Outputs {
				weighed[i] = b.node("Conv", v.Name, b.floats([]int64{1, 1, 1, 1}, 1))
			}
			for _, y := range weighed {
				b.output(y)
			}
			source := sourceFile(t, b)
			n := b.mustImport(t)
			images := make([]float32, batch*height*width)
			for i := range images {
				images[i] = float32(i)
			}
			in := input(n, images)
			want := oracle.RunORT(t, source, in, oracle.ORTOptions{Level: oracle.Disabled})
			values := evaluate(t, n, images, batch)
			var files [][]*onnx.Tensor
			for _, to := range []int64{max(13, opset), 21} {
				path, _ := write(t, n, ExportOptions{Opset: to})
				files = append(files, oracle.RunORT(t, path, in, oracle.ORTOptions{Level: oracle.Disabled}))
			}
			for i, name := range names {
				pixels := floats(t, want[i])
				if !slices.Equal(values[n.Outputs[i]], pixels) {
					t.Errorf("%s: other pixels", name)
				}
				for _, got := range files {
					if !slices.Equal(floats(t, got[i]), pixels) {
						t.Errorf("%s: other pixels in the file", name)
					}
				}
			}
		})
	}
}
