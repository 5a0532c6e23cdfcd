package detect

import (
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"zaq/internal/preprocess"
	"zaq/internal/realdata"
)

func parse(t *testing.T, text string) *Decoder {
	t.Helper()
	d, err := ParseDecoder([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func logit(p float64) float32 { return float32(math.Log(p / (1 - p))) }

func TestYOLOByHand(t *testing.T) {
	d := parse(t, `{"type": "yolov3", "score_threshold": 0.3, "heads": [
		{"output": "y", "stride": 16, "scale_xy": 1.1, "anchors": [[10, 20], [32, 16]]}]}`)
	const h, w, classes = 2, 3, 2
	o := Output{Shape: []int{2 * (5 + classes), h, w}, Data: make([]float32, 2*(5+classes)*h*w)}
	for i := range o.Data {
		o.Data[i] = -20
	}
	// Anchor 1 at row 1, column 2: centre a tenth of a cell right of the middle, the anchor's width, twice its height.
	set := func(field int, v float32) { o.Data[((5+classes)+field)*h*w+1*w+2] = v }
	set(0, logit(0.5+0.1/1.1))
	set(1, 0)
	set(2, 0)
	set(3, float32(math.Log(2)))
	set(4, logit(0.8))
	set(5, logit(0.3)) // 0.24: too little
	set(6, logit(0.5))
	found, err := d.Decode(map[string]Output{"y": o, "other": {}}, [2]int{32, 48})
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	got, want := found[0], Detection{1, 0.4, Box{2.6/3 - 1./3, 0.75 - 0.5, 1, 1}} // clipped to the image
	for _, p := range [][2]float64{
		{got.Score, want.Score}, {got.Box.XMin, want.Box.XMin}, {got.Box.YMin, want.Box.YMin}, {got.Box.XMax, want.Box.XMax}, {got.Box.YMax, want.Box.YMax},
	} {
		if math.Abs(p[0]-p[1]) > 1e-6 {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestNanoDetByHand(t *testing.T) {
	d := parse(t, `{"type": "nanodet", "bins": 3, "heads": [{"stride": 8, "scores": "s", "boxes": "b"}]}`)
	scores := Output{[]int{4, 1}, []float32{0, 0, 0, 0.7}}
	boxes := Output{[]int{4, 12}, make([]float32, 48)}
	copy(boxes.Data[36:], []float32{0, 0, 99, 99, 0, 0, 0, 0, 0, 0, 99, 0}) // 2, 0, 1 and 1 strides
	found, err := d.Decode(map[string]Output{"s": scores, "b": boxes}, [2]int{15, 16})
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	// The fourth position of two by two has its centre at 11.5, 11.5.
	want := Detection{0, float64(float32(0.7)), Box{0, 11.5 / 15, 1, 1}}
	if got := found[0]; got.Score != want.Score || !near(got.Box.XMin, want.Box.XMin) || !near(got.Box.YMin, want.Box.YMin) || got.Box.XMax != 1 || got.Box.YMax != 1 {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDecodedByHand(t *testing.T) {
	d := parse(t, `{"type": "decoded", "scores": "s", "boxes": "b"}`)
	out := map[string]Output{
		"s": {[]int{3, 2}, []float32{0.9, 0.1, 0.2, float32(math.NaN()), 0.01, 0.6}},
		"b": {[]int{3, 4}, []float32{0.5, 0.5, 1.5, 0.75, 0, 0, float32(math.Inf(1)), 1, 0.1, 0.2, 0.3, 0.4}},
	}
	found, err := d.Decode(out, [2]int{1, 1})
	if err != nil || len(found) != 3 || found[0].Box != (Box{0.5, 0.5, 1, 0.75}) || found[1].Class != 1 || found[2].Class != 1 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestParseDecoderRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                                "unexpected EOF",
		`{"type": "ssd"}`:                  `unknown type "ssd"; known: yolov3, nanodet, decoded`,
		`{"type": "yolov3", "nms": 1}`:     `unknown field "nms"`,
		`{"type": "yolov3"}`:               "no heads",
		`{"type": "decoded", "boxes":"b"}`: "names no outputs with scores and boxes",
		`{"type": "yolov3", "heads": [{"output": "y", "anchors": [[1, 2]]}]}`:        "head 0 has stride 0",
		`{"type": "yolov3", "heads": [{"output": "y", "stride": 8}]}`:                "head 0 names no output or no anchors",
		`{"type": "nanodet", "bins": 8, "heads": [{"stride": 8}]}`:                   "head 0 names no outputs",
		`{"type": "nanodet", "heads": [{"stride": 8, "scores": "s", "boxes": "b"}]}`: "0 bins",
		`{"type": "decoded", "boxes": "b", "scores": "s", "score_threshold": 1}`:     "score_threshold is 1",
		`{"type": "decoded", "boxes": "b", "scores": "s", "nms_iou": -1}`:            "nms_iou is -1",
	} {
		if d, err := ParseDecoder([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", text, d, err, want)
		}
	}
}

func TestDecodeRefusesShapes(t *testing.T) {
	yolo := parse(t, `{"type": "yolov3", "heads": [{"output": "y", "stride": 16, "anchors": [[10, 20]]}]}`)
	nano := parse(t, `{"type": "nanodet", "bins": 3, "heads": [{"stride": 8, "scores": "y", "boxes": "b"}]}`)
	decoded := parse(t, `{"type": "decoded", "scores": "y", "boxes": "b"}`)
	floats := func(shape ...int) Output {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return Output{shape, make([]float32, n)}
	}
	for _, test := range []struct {
		d    *Decoder
		y, b Output
		want string
	}{
		{yolo, floats(6, 2), Output{}, "want [1*(5+classes), H, W]"},
		{yolo, floats(5, 2, 2), Output{}, "want [1*(5+classes), H, W]"},
		{yolo, floats(6, 2, 3), Output{}, "has 2x3 cells, and stride 16 gives 2x2"},
		{nano, floats(16, 5), floats(16, 13), `output "b" has shape [16 13], want [16, 12]`},
		{nano, floats(4, 5), floats(4, 12), `output "y" has shape [4 5], want [16, classes]`},
		{decoded, floats(4), floats(4, 4), "scores: shape [4] of 4 values"},
		{decoded, floats(4, 2), floats(5, 4), "boxes have shape [5 4], want [4 4]"},
	} {
		if found, err := test.d.Decode(map[string]Output{"y": test.y, "b": test.b}, [2]int{32, 32}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, %v, want %q", found, err, test.want)
		}
	}
	if _, err := yolo.Decode(nil, [2]int{32, 32}); err == nil || !strings.Contains(err.Error(), `no output "y"`) {
		t.Error(err)
	}
}

// Raw outputs of real detectors become the detections that were published with them, for one image of 486x500.
func TestSharedOutputs(t *testing.T) {
	data := realdata.Path(t)
	for _, test := range []struct {
		model, set string
		classes    map[int]int // of the model: of the published table
	}{
		{"mobilenetv2_yolov3_nano_voc", "voc100", nil},
		{"yolo_fastest_1.1_coco", "voc100", map[int]int{0: 14, 56: 8}}, // person, chair; VOC's order
	} {
		side, err := preprocess.LoadSidecar(filepath.Join(data, "models", "detection", test.model+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		d := parse(t, string(side.Decoder))
		found, err := d.Decode(rawOutputs(t, filepath.Join(data, "expected", test.model)), side.Preprocess.Size)
		if err != nil {
			t.Fatal(err)
		}
		want := published(t, filepath.Join(data, "expected", test.model+"__"+test.set+".csv"), "2007_000027.jpg")
		for _, f := range found {
			class, ok := f.Class, true
			if test.classes != nil {
				class, ok = test.classes[f.Class]
			}
			if !ok || f.Score < 0.05 {
				continue
			}
			if len(want) == 0 {
				t.Errorf("%s: %v is not published", test.model, f)
				break
			}
			got := [6]float64{float64(class), f.Score, f.Box.XMin * 486, f.Box.YMin * 500, f.Box.XMax * 486, f.Box.YMax * 500}
			for i, tolerance := range []float64{0, 1e-5, 0.01, 0.01, 0.01, 0.01} {
				if math.Abs(got[i]-want[0][i]) > tolerance {
					t.Errorf("%s: %v, want %v", test.model, got, want[0])
					break
				}
			}
			want = want[1:]
		}
		if len(want) > 0 {
			t.Errorf("%s: not found: %v", test.model, want)
		}
	}
}

// rawOutputs reads the outputs that lie in a folder as little-endian floats.
func rawOutputs(t *testing.T, dir string) map[string]Output {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		Outputs []struct {
			Name, File string
			Shape      []int
		}
	}
	if err := json.Unmarshal(b, &meta); err != nil {
		t.Fatal(err)
	}
	outputs := map[string]Output{}
	for _, o := range meta.Outputs {
		raw, err := os.ReadFile(filepath.Join(dir, o.File))
		if err != nil {
			t.Fatal(err)
		}
		data := make([]float32, len(raw)/4)
		for i := range data {
			data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		outputs[o.Name] = Output{o.Shape[1:], data}
	}
	return outputs
}

// published reads the rows of an image: class, score, sides.
func published(t *testing.T, path, image string) (rows [][6]float64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range all {
		if row[0] != image {
			continue
		}
		var r [6]float64
		for i := range r {
			if r[i], err = strconv.ParseFloat(row[1+i], 64); err != nil {
				t.Fatal(err)
			}
		}
		rows = append(rows, r)
	}
	return rows
}
