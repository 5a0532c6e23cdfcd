package zaq

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"

	"zaq/internal/onnx"
)

// errNotWired stands for the packages below until they are connected here, and nowhere else.
var errNotWired = errors.New("not wired")

// loaded is what a file becomes: its messages, and the network they describe.
type loaded struct {
	file *onnx.Model
}

func load(path string, c loadConfig) (*Model, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := onnx.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := onnx.Check(file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Model{path: path, sum: sha256.Sum256(bytes), loaded: loaded{file}}, nil
}

func quantize(ctx context.Context, m *Model, o Options) (*Result, error) { return nil, errNotWired }

func evaluate(ctx context.Context, m *Model, spec string, o EvalOptions) (*Evaluation, error) {
	return nil, errNotWired
}

func train(ctx context.Context, o TrainOptions) (*TrainResult, error) { return nil, errNotWired }

func inspect(m *Model) (*Summary, error) { return nil, errNotWired }
