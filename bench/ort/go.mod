module zaq/bench/ort

go 1.26.0

require (
	github.com/yalue/onnxruntime_go v1.27.0
	zaq v0.0.0
)

require (
	golang.org/x/sys v0.49.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace zaq => ../..
