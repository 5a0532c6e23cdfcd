package preprocess

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MetadataKey is where a file that zaq wrote has its Spec.
const MetadataKey = "dev.zaq.preprocess"

// Sidecar is the JSON file beside a model: what its input and its outputs mean.
type Sidecar struct {
	Task       string          `json:"task,omitempty"` // "classification", "detection"
	Preprocess Spec            `json:"preprocess"`
	Classes    string          `json:"classes,omitempty"` // file of class names, relative to this one
	NumClasses int             `json:"num_classes,omitempty"`
	Decoder    json.RawMessage `json:"decoder,omitempty"` // how boxes are read from the outputs of a detector

	// Extra holds the fields that this package gives no meaning to, by name.
	Extra map[string]json.RawMessage `json:"-"`

	// Path is the file that it was read from, or "".
	Path string `json:"-"`
}

// SidecarPath returns where the sidecar of a model is: MODEL.json for MODEL.onnx.
func SidecarPath(modelPath string) string { return strings.TrimSuffix(modelPath, ".onnx") + ".json" }

// LoadSidecar reads the sidecar of the model at modelPath. Where there is none it returns nil and no error.
func LoadSidecar(modelPath string) (*Sidecar, error) {
	s, err := ReadSidecar(SidecarPath(modelPath))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return s, err
}

// ReadSidecar reads the sidecar at path, which must be there.
func ReadSidecar(path string) (*Sidecar, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := ParseSidecar(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.Path = path
	return s, nil
}

// sidecarFields has the fields of Sidecar without its methods.
type sidecarFields Sidecar

// known are the names of the fields that have a meaning here.
var known = []string{"task", "preprocess", "classes", "num_classes", "decoder"}

// ParseSidecar reads the JSON form of a Sidecar. Its preprocess must be there and valid.
func ParseSidecar(b []byte) (*Sidecar, error) {
	var s Sidecar
	if err := json.Unmarshal(b, &s.Extra); err != nil {
		return nil, plain(err)
	}
	if _, ok := s.Extra["preprocess"]; !ok {
		return nil, errors.New(`no "preprocess" in it: not the description of a model`)
	}
	if err := json.Unmarshal(b, (*sidecarFields)(&s)); err != nil {
		return nil, plain(err)
	}
	maps.DeleteFunc(s.Extra, func(name string, _ json.RawMessage) bool {
		return slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) // as package json
	})
	if s.NumClasses < 0 {
		return nil, fmt.Errorf("num_classes is %d", s.NumClasses)
	}
	return &s, nil
}

// Encode returns the compact JSON form with all fields, those in Extra too; ParseSidecar reads it. The
// same contents give the same bytes.
func (s *Sidecar) Encode() ([]byte, error) {
	if err := s.Preprocess.Validate(); err != nil {
		return nil, err
	}
	b, err := json.Marshal((*sidecarFields)(s))
	if err != nil || len(s.Extra) == 0 {
		return b, err
	}
	extra, err := json.Marshal(s.Extra) // sorts the names
	if err != nil {
		return nil, err
	}
	return append(append(b[:len(b)-1], ','), extra[1:]...), nil
}

// ClassNames reads the names of the classes in the order of the outputs: a text file with one on each
// line, or a CSV file with a header and a column "name". It returns nil where the sidecar names no file.
func (s *Sidecar) ClassNames() ([]string, error) {
	if s.Classes == "" {
		return nil, nil
	}
	path := s.Classes
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(s.Path), filepath.FromSlash(path))
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("class names: %w", err)
	}
	var names []string
	if strings.EqualFold(filepath.Ext(path), ".csv") {
		names, err = namesOfCSV(b)
	} else {
		names = strings.Split(strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n")), "\n")
	}
	if err == nil && s.NumClasses > 0 && len(names) != s.NumClasses {
		err = fmt.Errorf("%d names, and the model has %d classes", len(names), s.NumClasses)
	}
	if err != nil {
		return nil, fmt.Errorf("class names in %s: %w", path, err)
	}
	return names, nil
}

func namesOfCSV(b []byte) ([]string, error) {
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("no header")
	}
	for column, title := range rows[0] {
		if title == "name" {
			var names []string
			for _, row := range rows[1:] {
				names = append(names, row[column])
			}
			return names, nil
		}
	}
	return nil, errors.New(`no column "name"`)
}
