#!/usr/bin/env bash
# What the parts of zaq are worth at W3A3, paper, three seeds: alpha first; then, at the best alpha, uniform layer weights,
# no regulariser, Gram matrices, SCRM. A difference counts beyond two standard errors. STEPS is the number of steps of Q, for cells of
# about five minutes.
#
#	docs/results/ablation.sh MODEL.onnx CIFAR10-DIR OUT-DIR [BEST-ALPHA]
set -euo pipefail
model=$1 data=$2 out=$3 best=${4:-}
zaq=$(dirname "$0")/../../bin/zaq
steps="--steps ${STEPS:-800}"
run() { "$zaq" sweep --models "$model" --scheme paper --precision w3a3 --seeds 1,2,3 --data "cifar10:$data" "$@"; }
if [ -z "$best" ]; then
	run --methods "zaq $steps --alpha 0,zaq $steps --alpha 0.1,zaq $steps --alpha 1,zaq $steps --alpha 10" -o "$out/alpha"
	echo "now once more with the best alpha as fourth argument"
	exit
fi
base="zaq $steps --alpha $best"
run --methods "$base --layer-weights uniform,$base --regularizer off,$base --feature-loss gram,$base --feature-loss scrm,$base --feature-loss none" -o "$out/parts"
"$zaq" sweep merge "$out/alpha" "$out/parts" -o "$out"
