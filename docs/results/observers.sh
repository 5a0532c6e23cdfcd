#!/usr/bin/env bash
# The rows of observers.md: how many of 1,000 training images a network rounded by rtn labels as the float network does, by
# the observer of its activation ranges; of the images of a generator, and of statistics.
#
#	docs/results/observers.sh MODEL.onnx DATA OUT-DIR          DATA: cifar10:DIR/data_batch_1.bin, for instance
set -euo pipefail
model=$1 data=$2 out=$3
zaq=$(dirname "$0")/../../bin/zaq
mkdir -p "$out"
[ -d "$out/images" ] || "$zaq" synth -q "$model" -o "$out/images" --count 512 --seed 1

labels() { "$zaq" eval -q "$1" --data "$data" --limit 1000 --json --per-image | tr -d ' ,' | sed -n '/"classes":\[/,/\]/p' | grep '^[0-9]'; }
labels "$model" >"$out/float.labels"

row() { # SCHEME PRECISION FLAGS...
	"$zaq" quantize -q "$model" --method rtn --scheme "$1" --precision "$2" "${@:3}" -o "$out/rounded.onnx" >"$out/log"
	labels "$out/rounded.onnx" | paste -d' ' "$out/float.labels" - | awk -v name="$1 $2 ${*:3}" '$1 == $2 { n++ } END { printf "%s: %.1f %%\n", name, 100 * n / NR }'
}
for scheme in deploy paper; do
	for precision in w8a8 w4a8 w4a4 w3a3; do
		for observer in percentile mse ema; do row $scheme $precision --calib "$out/images/png" --observer $observer; done
		for observer in percentile mse sigma laplace; do row $scheme $precision --images statistics --observer $observer; done
	done
done
