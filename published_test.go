//go:build !noasm && !race

package zaq_test

import (
	"context"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"zaq"
	"zaq/internal/realdata"
)

// The float networks of the shared data say of real images what was published with them: ONNX Runtime's answers to what
// Pillow decodes and resizes. Decoding, resizing, preprocessing, the network, the reading of boxes and their score are all
// in it, so that a figure of zaq's can be compared with one from elsewhere.
func TestPublishedClasses(t *testing.T) {
	for _, tt := range []struct {
		model, set string
		right      int
	}{
		{"mobilenet_v1_0.75_224_imagenet", "sample500", 416},
		{"mobilenet_v1_0.75_224_imagenet", "openimages150", 96},
		{"mobilenet_v2_1.0_224_int8grid_bnfolded_imagenet", "sample500", 433},
		{"mobilenet_v2_1.0_224_int8grid_bnfolded_imagenet", "openimages150", 100},
	} {
		t.Run(tt.model+"/"+tt.set, func(t *testing.T) {
			m := load(t, realdata.Path(t, "models", "imagenet", tt.model+".onnx"))
			e := evaluate(t, m, "csv:"+realdata.Path(t, "imagenet", tt.set+"_labels.csv"))
			if e.Top1 != tt.right {
				t.Errorf("%d of %d right, published are %d", e.Top1, e.N, tt.right)
			}
			rows := readCSV(t, realdata.Path(t, "expected", tt.model+"__"+tt.set+".csv"))
			if len(rows) != e.N {
				t.Fatalf("%d images, %d published", e.N, len(rows))
			}
			for i, row := range rows {
				if row["fp32_top1"] != strconv.Itoa(e.Classes[i]) {
					t.Errorf("image %d has class %d, published %s", i, e.Classes[i], row["fp32_top1"])
				}
			}
		})
	}
}

func TestPublishedDetections(t *testing.T) {
	voc, boxes := "voc:"+realdata.Path(t, "detection", "voc100"), "boxes:"+realdata.Path(t, "detection", "openimages150", "boxes.csv")
	for _, tt := range []struct {
		model, data, published string
		names                  string // of the classes in the published table
		map50                  float64
	}{
		{"mobilenetv2_yolov3_nano_voc", voc, "voc100", "voc100/classes.txt", 0.8449},
		{"yolo_fastest_1.1_coco", voc, "voc100", "voc100/classes.txt", 0.5793},
		{"yolo_fastest_1.1_coco", boxes, "openimages150", "openimages150/coco80_classes.txt", 0.6525},
	} {
		t.Run(tt.model+"/"+tt.published, func(t *testing.T) {
			m := load(t, realdata.Path(t, "models", "detection", tt.model+".onnx"))
			d, err := zaq.EvaluateDetector(context.Background(), m, tt.data, zaq.EvalOptions{Boxes: true})
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(d.MAP50-tt.map50) > 0.0002 {
				t.Errorf("mAP@0.5 is %.4f, published is %.4f", d.MAP50, tt.map50)
			}
			names := readLines(t, realdata.Path(t, "detection", filepath.FromSlash(tt.names)))
			compareBoxes(t, d, readCSV(t, realdata.Path(t, "expected", tt.model+"__"+tt.published+".csv")), names)
		})
	}
}

// compareBoxes compares what was found with a published table, which has what scores 0.05 or more of the named classes,
// in falling order for each image.
func compareBoxes(t *testing.T, d *zaq.Detection, rows []map[string]string, names []string) {
	t.Helper()
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	for _, image := range d.Images {
		var found []zaq.FoundBox
		for _, b := range image.Boxes {
			if known[b.Class] && b.Score >= 0.05 {
				found = append(found, b)
			}
		}
		for _, b := range found {
			if len(rows) == 0 || rows[0]["file"] != image.File {
				t.Fatalf("%s: %+v is not published", image.File, b)
			}
			row := rows[0]
			rows = rows[1:]
			class, _ := strconv.Atoi(row["class_index"])
			if names[class] != b.Class {
				t.Errorf("%s: %+v is published as %v", image.File, b, row)
			}
			for column, v := range map[string]float64{"score": 1000 * b.Score, "xmin": b.XMin, "ymin": b.YMin, "xmax": b.XMax, "ymax": b.YMax} {
				want, err := strconv.ParseFloat(row[column], 64)
				if column == "score" {
					want *= 1000
				}
				if err != nil || math.Abs(v-want) > 0.05 { // of a pixel, or of a thousandth
					t.Errorf("%s: %s is %v, published %v", image.File, column, v, row)
				}
			}
		}
	}
	if len(rows) > 0 {
		t.Errorf("%d published boxes were not found, the first %v", len(rows), rows[0])
	}
}

// readCSV returns the rows of a table by column.
func readCSV(t *testing.T, path string) (rows []map[string]string) {
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
	for _, line := range all[1:] {
		row := map[string]string{}
		for i, v := range line {
			row[all[0][i]] = v
		}
		rows = append(rows, row)
	}
	return rows
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}
