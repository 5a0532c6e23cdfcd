// Command classify says what is in a picture.
//
//	go run ./examples/classify resnet20.w4a8.onnx cat.png
package main

import (
	"context"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"log"
	"os"

	"zaq/infer"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: classify MODEL.onnx PICTURE")
	}
	if err := classify(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func classify(model, picture string) error {
	p, err := infer.Load(model)
	if err != nil {
		return err
	}
	f, err := os.Open(picture)
	if err != nil {
		return err
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		return fmt.Errorf("%s: %w", picture, err)
	}
	in, err := p.Image(img)
	if err != nil {
		return err
	}
	out, err := p.Run(context.Background(), []infer.Tensor{in})
	if err != nil {
		return err
	}
	best := 0
	for i, v := range out[0].Data {
		if v > out[0].Data[best] {
			best = i
		}
	}
	fmt.Println("class", best, append(p.Classes(), make([]string, len(out[0].Data))...)[best])
	return nil
}
