# The one entry for people. `make` lists what there is.
#
# To give the module a home (an import path of its own), one command renames it everywhere:
#	make rename MODULE=example.org/zaq

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

ORT_VERSION := 1.30.0
PACKAGES    := ./...
PLATFORMS   := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
SHARING     := engine kernel method dataset checkpoint

# testsum prints what go test says, and what was skipped; with STRICT=1 a skipped test is a failure.
STRICT  :=
testsum  = go run ./internal/testsum $(if $(STRICT),-strict)

# Where tests look for real models and images, and for CIFAR-10. Both can be set from outside.
export ZAQ_DATA    ?= $(abspath ../shared/data)
export ZAQ_CIFAR10 ?= $(abspath data/cifar-10-batches-bin)

.PHONY: help build demo test race noasm neon bench bench-torch bench-ort lint oracles cifar10 rename clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the command, as one static binary in bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/zaq

demo: ## quantize the network that comes with zaq
	go run ./cmd/zaq demo

test: ## all tests, naming those that were skipped
	go test -timeout 30m -json $(PACKAGES) | $(testsum)

race: ## tests of the packages that share memory, under the race detector
	go test -timeout 30m -race -json . ./infer ./examples/... $(addprefix ./internal/,$(SHARING:=/...)) | $(testsum)

noasm: ## all tests on portable Go kernels
	go test -timeout 30m -tags noasm -json $(PACKAGES) | $(testsum)

neon: ## tests of the arm64 kernels, and of the engine on them, under qemu-user
	@command -v qemu-aarch64 >/dev/null || { echo "make neon runs arm64 programs with qemu-aarch64: make oracles, or apt-get install qemu-user"; exit 1; }
	go test -C internal/kernel/_gen/neon .
	go test -C internal/intkernel/_gen/neon .
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go test -timeout 30m -exec qemu-aarch64 -json ./internal/kernel ./internal/intkernel ./internal/engine | $(testsum)

bench: ## the benchmarks, once each
	go test -run '^$$' -bench . -benchtime 1x $(PACKAGES)

bench-torch: ## training steps against PyTorch, in a table; ONLY=REGEXP picks some, N=ROUNDS
	go run ./bench -only '$(ONLY)' $(if $(N),-n $(N))

bench-ort: ## integer programs against ONNX Runtime: make bench-ort MODELS="a.onnx b.onnx"
	cd bench/ort && go build -o ../../bin/bench-ort .
	bin/bench-ort -library $$(find .oracle/ -name 'libonnxruntime.so.1' | head -1) $(MODELS)

lint: ## gofmt, vet for every platform, staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt would change:" $$unformatted; exit 1; fi
	for platform in $(PLATFORMS); do GOOS=$${platform%/*} GOARCH=$${platform#*/} go vet ./...; done
	for arch in amd64 arm64; do GOARCH=$$arch go vet -tags noasm ./...; done
	go tool staticcheck ./...

oracles: cifar10 ## what tests need: ONNX Runtime (npm), PyTorch, Pillow, ONNX's tests, Fashion-MNIST and qemu-user (apt), CIFAR-10
	npm install --no-audit --no-fund --ignore-scripts --prefix .oracle onnxruntime-node@$(ORT_VERSION)
	missing=$$(for p in python3-torch libopenblas0-pthread python3-onnx python3-numpy python3-pil libonnx-testdata dataset-fashion-mnist qemu-user; do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -n "$$missing" ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing; fi

# The program that fetches CIFAR-10 lies outside this repository, in a directory that may be read-only.
cifar10: ## the official CIFAR-10 files, in data/
	if [ -d ../shared/get-cifar10 ]; then \
		dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && cp -r ../shared/get-cifar10/. "$$dir" && chmod -R u+w "$$dir" && \
		mkdir -p data && out=$$PWD/data && cd "$$dir" && go run . "$$out"; \
	else echo "../shared/get-cifar10 is not here: put CIFAR-10's binary version into data/cifar-10-batches-bin"; fi

rename: ## give the module another path: make rename MODULE=example.org/zaq
	@test -n "$(MODULE)" || { echo "make rename MODULE=example.org/zaq"; exit 1; }
	old=$$(go list -m) && go mod edit -module "$(MODULE)" && \
	git ls-files '*.go' | xargs sed -i -E "s#^(\s*(import )?([[:alnum:]_.]+ )?)\"$$old(/[^\"]*)?\"\$$#\1\"$(MODULE)\4\"#" && gofmt -w . && go build ./...

clean: ## remove what was built
	rm -rf bin
