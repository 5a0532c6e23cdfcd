#!/usr/bin/env bash
# What the parts of zaq are worth at W3A3, paper, three seeds: alpha first; then, at the best alpha, uniform layer weights,
# no regulariser, Gram matrices, SCRM (a step takes two and a half times as long). Choose alpha by training images (zaq eval of the files in
# OUT/alpha/files on cifar10:DIR/data_batch_1.bin), not by the table. A difference counts beyond two standard errors. FLAGS are for all
# cells, to make them as short as they must be; finished ones are kept, so that a run that was stopped goes on.
#
#	[FLAGS="--steps 400 --warmup 200"] docs/results/ablation.sh MODEL.onnx CIFAR10-DIR OUT-DIR [BEST-ALPHA]
set -euo pipefail
model=$1 data=$2 out=$3 best=${4:-}
zaq=$(dirname "$0")/../../bin/zaq
zaqs() { # FLAGS...: zaq with each of them, as sweep takes a list of methods
	local each list=
	for each in "$@"; do list+=",zaq --keep last ${FLAGS:-} $each"; done
	echo "${list#,}"
}
run() { "$zaq" sweep --models "$model" --scheme paper --precision w3a3 --seeds 1,2,3 --data "cifar10:$data" "$@"; }
if [ -z "$best" ]; then
	run --methods "$(zaqs "--alpha 0" "--alpha 0.1" "--alpha 1" "--alpha 10")" -o "$out/alpha"
	echo "now once more with the best alpha, by training images, as fourth argument"
	exit
fi
run --methods "$(zaqs "--alpha $best --layer-weights uniform" "--alpha $best --regularizer off" "--alpha $best --feature-loss gram" \
	"--alpha $best --feature-loss scrm")" -o "$out/parts"
"$zaq" sweep merge "$out/alpha" "$out/parts" -o "$out"
