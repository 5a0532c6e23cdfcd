// Command serve classifies pictures over HTTP.
//
//	go run ./examples/serve -model resnet20.w4a8.onnx &
//	curl --data-binary @cat.png localhost:8080/classify
//
// POST /classify takes a PNG or JPEG and answers {"class": 3, "name": "cat", "score": 0.98}. GET /healthz answers while the
// program takes requests. On SIGINT or SIGTERM it takes no more, finishes those that it has, and ends.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"zaq/infer"
)

func main() {
	model := flag.String("model", "", "quantized ONNX model")
	address := flag.String("address", "localhost:8080", "where to listen")
	limit := flag.Int("concurrency", runtime.GOMAXPROCS(0), "pictures computed at the same time")
	queue := flag.Duration("queue", time.Second, "how long a request waits for its turn")
	flag.Parse()
	p, err := infer.Load(*model, infer.WithThreads(1)) // requests run side by side, each on one thread
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", listener.Addr())
	if err := serve(ctx, listener, newServer(p, *limit, *queue)); err != nil {
		log.Fatal(err)
	}
}

// grace is how long requests may take once the program is asked to end.
const grace = 10 * time.Second

// serve answers requests until ctx is done, and then those that have begun.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := server.Shutdown(ending); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
