package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"zaq/infer"
	"zaq/internal/nn"
	"zaq/internal/onnx"
	"zaq/internal/preprocess"
)

// program is a small quantized network for pictures of 16 x 16 pixels.
func program(t *testing.T) *infer.Program {
	t.Helper()
	n, err := nn.ResNet(nn.ResNetConfig{Depth: 8, Width: 8, Image: [3]int{3, 16, 16}, Classes: 4}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := nn.FoldBatchNorm(n); err != nil {
		t.Fatal(err)
	}
	p, err := nn.Place(n, nn.PlaceOptions{Scheme: nn.Deploy, WBits: 8, ABits: 8})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Activations {
		s.Quantizer.SetRange(0, -4, 4)
	}
	for _, w := range p.Weights {
		for c := range w.Value.Shape[0] {
			w.Quantizer.SetRange(c, -1, 1)
		}
		w.Round()
	}
	spec := preprocess.Spec{Scale: 1.0 / 255, Mean: []float64{0.5, 0.5, 0.5}, Std: []float64{0.25, 0.25, 0.25}, Color: "rgb", Size: [2]int{16, 16}}
	encoded, err := spec.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.Export(n, nn.ExportOptions{Metadata: []onnx.Property{{Key: preprocess.MetadataKey, Value: string(encoded)}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	program, err := infer.Load(path, infer.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func picture(t *testing.T, side int) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		img.Set(i%side, i/side, color.NRGBA{uint8(i), uint8(3 * i), uint8(7 * i), 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestClassify(t *testing.T) {
	s := httptest.NewServer(newServer(program(t), 2, time.Minute))
	defer s.Close()
	for _, tt := range []struct {
		name   string
		body   []byte
		status int
	}{
		{"picture", picture(t, 16), http.StatusOK},
		{"another size", picture(t, 17), http.StatusUnprocessableEntity},
		{"no picture", []byte("GIF89a"), http.StatusUnsupportedMediaType},
		{"nothing", nil, http.StatusUnsupportedMediaType},
		{"half a picture", picture(t, 16)[:60], http.StatusUnprocessableEntity},
		{"too many bytes", make([]byte, maxBytes+1), http.StatusRequestEntityTooLarge},
		{"too many pixels", picture(t, 2049), http.StatusRequestEntityTooLarge},
	} {
		r, err := http.Post(s.URL+"/classify", "image/png", bytes.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		var a struct {
			answer
			Error string
		}
		if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		r.Body.Close()
		if r.StatusCode != tt.status || (a.Error == "") != (tt.status == http.StatusOK) {
			t.Errorf("%s: status %d, want %d: %+v", tt.name, r.StatusCode, tt.status, a)
		}
		if tt.status == http.StatusOK && !(a.Score >= 0.25 && a.Score <= 1) {
			t.Errorf("%s: %+v", tt.name, a)
		}
	}
	if r, err := http.Get(s.URL + "/classify"); err != nil || r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v %v", r, err)
	}
}

// More requests than slots: those that wait too long are told to come again, the others are answered.
func TestConcurrency(t *testing.T) {
	h := newServer(program(t), 3, 0)
	var calls sync.WaitGroup
	var mu sync.Mutex
	count := map[int]int{}
	for range 40 {
		calls.Go(func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", "/classify", bytes.NewReader(picture(t, 16))))
			mu.Lock()
			defer mu.Unlock()
			count[w.Code]++
		})
	}
	calls.Wait()
	if count[http.StatusOK] == 0 || count[http.StatusOK]+count[http.StatusServiceUnavailable] != 40 {
		t.Errorf("statuses %v", count)
	}
}

// A request that has begun is answered although the program was asked to end.
func TestShutdown(t *testing.T) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, newServer(program(t), 1, time.Minute)) }()
	body, write := io.Pipe()
	answered := make(chan error, 1)
	status := 0
	go func() {
		r, err := http.Post("http://"+listener.Addr().String()+"/classify", "image/png", body)
		if err == nil {
			status = r.StatusCode
			err = r.Body.Close()
		}
		answered <- err
	}()
	b := picture(t, 16)
	if _, err := write.Write(b[:20]); err != nil { // it is being read
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	stop()
	time.Sleep(100 * time.Millisecond)
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("takes requests after it was asked to end")
	}
	if _, err := write.Write(b[20:]); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if err := <-answered; err != nil || status != http.StatusOK {
		t.Errorf("status %d, %v", status, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
