#!/usr/bin/env bash
# The cells of resnet20.md: quantizes ResNet-20 by rounding, one seed, and by zaq, three, and evaluates every file on
# the 10,000 test images of CIFAR-10. Finished cells are kept, so that a run that was stopped goes on.
#
#	docs/results/resnet20.sh MODEL.onnx CIFAR10-DIR OUT-DIR
set -euo pipefail
model=$1 data=$2 out=$3
zaq=$(dirname "$0")/../../bin/zaq
mkdir -p "$out"

cell() { # method scheme precision seed
	local name=$1.$2.$3.$4 start
	[ -s "$out/$name.eval.json" ] && return
	start=$(date +%s)
	"$zaq" quantize -q "$model" --method "$1" --scheme "$2" --precision "$3" --seed "$4" -o "$out/$name.onnx" >"$out/$name.txt"
	local seconds=$(($(date +%s) - start))
	"$zaq" eval -q "$out/$name.onnx" --data "cifar10:$data" --json >"$out/$name.eval.json"
	echo "$name $(grep -o '"top1": *[0-9]*' "$out/$name.eval.json") of 10000, $seconds s" | tee -a "$out/cells.txt"
}

for precision in w8a8 w4a4 w3a3 w2a4; do cell rtn paper $precision 1; done
for precision in w8a8 w4a8 w4a4; do cell rtn deploy $precision 1; done
for seed in 1 2 3; do
	for precision in w4a4 w3a3 w2a4; do cell zaq paper $precision $seed; done
	cell zaq deploy w4a4 $seed
done
