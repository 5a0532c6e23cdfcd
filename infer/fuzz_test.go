package infer

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zaq/internal/onnx"
)

// FuzzLoad reads files that somebody made up. Each is refused with an error, or compiled to a program that runs.
func FuzzLoad(f *testing.F) {
	for _, m := range []*onnx.Model{deploy(f, smallResNet(f), 8, 8), deploy(f, smallMobileNet(f), 4, 4)} {
		b, err := m.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		m, err := onnx.Decode(b)
		if err != nil {
			return
		}
		for _, requant := range []string{ORT, Fixed} {
			p, err := load(m, options{threads: 1, requant: requant})
			if err != nil {
				return
			}
			small := p.Arena() < 1<<20 // what takes long teaches little
			for _, s := range p.steps {
				_, float := s.(*floatStep)
				small = small && !float && s.about().ops < 1e7
			}
			if small {
				in := make([]Tensor, len(p.inputs))
				for i, info := range p.inputs {
					shape := append([]int{1}, info.Shape[1:]...)
					in[i] = Tensor{Shape: shape, Data: noise(shape, uint64(i))}
				}
				if _, err := p.Run(context.Background(), in); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// What is refused says where: the errors of broken files name the file, and those of a network the node or tensor.
func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, m *onnx.Model) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := m.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	node := func(m *onnx.Model, op string) *onnx.Node {
		for _, n := range m.Graph.Nodes {
			if n.OpType == op {
				return n
			}
		}
		t.Fatalf("no %s", op)
		return nil
	}
	conv := deploy(t, smallResNet(t), 8, 8)
	node(conv, "Conv").Attributes = append(node(conv, "Conv").Attributes, onnx.AttrIs("pads", 1, 1))
	broken := filepath.Join(dir, "broken.onnx")
	if err := os.WriteFile(broken, []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, want string }{
		{filepath.Join(dir, "none.onnx"), "none.onnx"},
		{broken, "broken.onnx"},
		{write("conv.onnx", conv), node(conv, "Conv").Name},
	} {
		if _, err := Load(tt.path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.path, err, tt.want)
		}
	}
	if _, err := Load(broken, WithRequant("exact")); err == nil || !strings.Contains(err.Error(), `"exact"`) {
		t.Errorf("error %v", err)
	}
	if _, err := Load(broken, WithThreads(-1)); err == nil || !strings.Contains(err.Error(), "-1 threads") {
		t.Errorf("error %v", err)
	}
}
