package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"log"
	"math"
	"net/http"
	"time"

	"zaq/infer"
)

// Limits of a request: bytes of the file, and pixels of the picture, which a small file can have many of.
const (
	maxBytes  = 4 << 20
	maxPixels = 4 << 20
)

// server classifies pictures.
type server struct {
	program *infer.Program
	classes []string
	slots   chan struct{} // one for each picture that is being computed
	queue   time.Duration // how long a request waits for one
}

func newServer(p *infer.Program, limit int, queue time.Duration) http.Handler {
	s := &server{program: p, classes: p.Classes(), slots: make(chan struct{}, max(limit, 1)), queue: queue}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /classify", s.classify)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	return mux
}

// answer is what a client gets.
type answer struct {
	Class int     `json:"class"`
	Name  string  `json:"name,omitempty"`
	Score float64 `json:"score"` // softmax of the output
}

func (s *server) classify(w http.ResponseWriter, r *http.Request) {
	a, status, err := s.answer(w, r)
	w.Header().Set("Content-Type", "application/json")
	var body any = a
	if err != nil {
		w.WriteHeader(status)
		body = map[string]string{"error": err.Error()}
	}
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Printf("answer to %s: %v", r.RemoteAddr, err)
	}
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) (*answer, int, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("picture of more than %d bytes", maxBytes)
	case err != nil:
		return nil, http.StatusBadRequest, err
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return nil, http.StatusUnsupportedMediaType, fmt.Errorf("not a PNG or JPEG: %w", err)
	}
	if size.Width < 1 || size.Height < 1 || size.Width > maxPixels/size.Height {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("picture of %dx%d pixels", size.Width, size.Height)
	}
	select { // decoding counts as work
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-time.After(s.queue):
		w.Header().Set("Retry-After", "1")
		return nil, http.StatusServiceUnavailable, errors.New("too many requests at a time")
	case <-r.Context().Done():
		return nil, http.StatusServiceUnavailable, r.Context().Err()
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, http.StatusUnprocessableEntity, err
	}
	in, err := s.program.Image(img)
	if err != nil {
		return nil, http.StatusUnprocessableEntity, err
	}
	out, err := s.program.Run(r.Context(), []infer.Tensor{in})
	if err != nil {
		return nil, http.StatusInternalServerError, err
	}
	a := best(out[0].Data)
	if a.Class < len(s.classes) {
		a.Name = s.classes[a.Class]
	}
	return a, http.StatusOK, nil
}

// best returns the class with the largest output.
func best(logits []float32) *answer {
	a := &answer{}
	for i, v := range logits {
		if v > logits[a.Class] {
			a.Class = i
		}
	}
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v - logits[a.Class]))
	}
	a.Score = 1 / sum
	return a
}
