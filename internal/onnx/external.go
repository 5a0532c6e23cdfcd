package onnx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// externalMin is the size in bytes from which WriteFileExternal moves a tensor out of the model file.
const externalMin = 1 << 10

// externalAlign is what offsets in an external file are rounded up to, so that a reader can map tensors
// into memory (64 KiB would serve Windows too, but small files would be mostly holes).
const externalAlign = 4 << 10

// tensors calls fn for every tensor of the model: initializers and attributes of nodes.
func (m *Model) tensors(fn func(*Tensor) error) error {
	for _, t := range m.Graph.Initializers {
		if err := fn(t); err != nil {
			return err
		}
	}
	for _, n := range m.Graph.Nodes {
		for _, a := range n.Attributes {
			if a.Tensor == nil {
				continue
			}
			if err := fn(a.Tensor); err != nil {
				return fmt.Errorf("node %q: attribute %q: %w", n.label(), a.Name, err)
			}
		}
	}
	return nil
}

// load reads the elements of tensors that are in other files, which must lie in dir or below it: a model
// from elsewhere must not be able to read what it likes. Each file is read once, and tensors refer to it. Each
// tensor's bytes are shown to loaded. The paths of the files come back sorted.
//
// Tensors of subgraphs are not looked at, so a reference of theirs would point nowhere once the model is
// written elsewhere. Such a model is refused.
func (m *Model) load(dir string, loaded func([]byte)) (read []string, err error) {
	if err := m.Graph.refuseNested(0); err != nil {
		return nil, err
	}
	var root *os.Root
	files := make(map[string][]byte)
	defer func() {
		if root != nil {
			root.Close()
		}
	}()
	err = m.tensors(func(t *Tensor) (err error) {
		if t.external == nil {
			return nil
		}
		if root == nil {
			if root, err = os.OpenRoot(dir); err != nil {
				return err
			}
		}
		if err := t.load(root, files); err != nil {
			return fmt.Errorf("tensor %q: external data: %w", t.Name, err)
		}
		loaded(t.raw)
		return nil
	})
	for name := range files {
		read = append(read, filepath.Join(dir, name))
	}
	slices.Sort(read)
	return read, err
}

// maxNesting is how deep subgraphs may lie within each other.
const maxNesting = 64

// refuseNested reports an error if a tensor in a subgraph of g has its elements in another file.
func (g *Graph) refuseNested(depth int) error {
	for _, n := range g.Nodes {
		for _, a := range n.Attributes {
			err := message{b: a.unknown}.fields(func(f field) error {
				if f.num != 6 && f.num != 11 { // g, graphs
					return nil
				}
				if depth == maxNesting {
					return fmt.Errorf("subgraphs nested more than %d deep", maxNesting)
				}
				sub := Model{Graph: new(Graph)}
				if err := f.message(sub.Graph.decode); err != nil {
					return err
				}
				err := sub.tensors(func(t *Tensor) error {
					if t.external != nil {
						return fmt.Errorf("tensor %q: external data in a subgraph is not supported", t.Name)
					}
					return nil
				})
				if err != nil {
					return err
				}
				return sub.Graph.refuseNested(depth + 1)
			})
			if err != nil {
				return fmt.Errorf("node %q: attribute %q: %w", n.label(), a.Name, err)
			}
		}
	}
	return nil
}

// load reads the elements of one tensor, taking files from the cache or putting them there.
func (t *Tensor) load(root *os.Root, files map[string][]byte) error {
	var location string
	offset, length := uint64(0), uint64(0)
	hasLength := false
	for _, p := range t.external {
		var err error
		switch p.Key {
		case "location":
			location = p.Value
		case "offset":
			offset, err = strconv.ParseUint(p.Value, 10, 63)
		case "length":
			length, err = strconv.ParseUint(p.Value, 10, 63)
			hasLength = true
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.Key, err)
		}
	}
	b, err := readIn(root, location, files)
	if err != nil {
		return err
	}
	if !hasLength {
		n, err := t.size()
		if err != nil {
			return err
		}
		length = uint64(n)
	}
	if size := uint64(len(b)); offset > size || length > size-offset {
		return fmt.Errorf("%s has %d bytes, but %d are wanted from byte %d", location, size, length, offset)
	}
	t.raw = b[offset : offset+length : offset+length]
	t.external = nil
	return nil
}

func readIn(root *os.Root, location string, files map[string][]byte) ([]byte, error) {
	if b, ok := files[location]; ok {
		return b, nil
	}
	if location == "" {
		return nil, errors.New("no location")
	}
	name := filepath.FromSlash(location)
	if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("%q is outside the model's directory", location)
	}
	info, err := root.Stat(name) // opening a pipe would wait for its writer
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the file %q, which belongs beside the model and has its weights, is missing", location)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file", location)
	}
	b, err := root.ReadFile(name)
	if err != nil {
		return nil, err
	}
	files[location] = b
	return b, nil
}

// WriteFileExternal writes the model to path and tensors of 1 KiB or more to path + ".data". On failure,
// what was at both places before is as it was; both have their new contents on the disk before either
// gets its name, but a crash of the machine can come between the two renames.
func (m *Model) WriteFileExternal(path string) error {
	dataPath := path + ".data"
	out, chunks := m.split(filepath.Base(dataPath))
	b, err := out.Encode()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	model, err := stage(path, b)
	if err != nil {
		return err
	}
	defer model.discard()
	if len(chunks) == 0 {
		return model.commit()
	}
	data, err := stage(dataPath, chunks...)
	if err != nil {
		return err
	}
	defer data.discard()

	return commitBoth(data, model)
}

// commitBoth gives two files their names, or neither. The file that data replaces is kept under another
// name until the model is in its place.
func commitBoth(data, model *staged) error {
	old := staged{temp: data.temp + ".old", path: data.path}
	defer old.discard()
	err := os.Rename(old.path, old.temp)
	replaces := err == nil
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if err = data.commit(); err == nil {
		if err = model.commit(); err == nil {
			return nil
		}
		os.Remove(data.path)
	}
	if replaces {
		err = errors.Join(err, old.commit())
	}
	return err
}

// split returns a model like m whose large tensors refer to a file called location, and that file's
// contents. Tensors of m itself are not changed.
func (m *Model) split(location string) (out *Model, chunks [][]byte) {
	zeros := make([]byte, externalAlign)
	offset := 0
	move := func(t *Tensor) *Tensor {
		if len(t.raw) < externalMin {
			return t
		}
		if pad := -offset & (externalAlign - 1); pad > 0 {
			chunks = append(chunks, zeros[:pad])
			offset += pad
		}
		moved := *t
		moved.raw = nil
		moved.external = []Property{
			{Key: "location", Value: location},
			{Key: "offset", Value: strconv.Itoa(offset)},
			{Key: "length", Value: strconv.Itoa(len(t.raw))},
		}
		chunks = append(chunks, t.raw)
		offset += len(t.raw)
		return &moved
	}

	model := *m
	if m.Graph == nil {
		return &model, nil
	}
	graph := *m.Graph
	model.Graph = &graph
	graph.Initializers = make([]*Tensor, len(m.Graph.Initializers))
	for i, t := range m.Graph.Initializers {
		graph.Initializers[i] = move(t)
	}
	return &model, chunks
}
