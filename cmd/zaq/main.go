// Command zaq quantizes ONNX convolutional networks to 2 to 8 bits without data.
//
// See "zaq help".
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
