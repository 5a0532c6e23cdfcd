#!/usr/bin/env bash
# Every method on ResNet-20, scheme paper: three seeds of those that draw random numbers at W4A4 and W3A3, one at W8A8 and
# W2A4. gdfq, zaq and ft share initialisation, observer, number of steps of Q and batch; with RANGES=DIR/png (from zaq synth
# MODEL.onnx -o DIR --count 1024 --seed 1) they and rtn share the very images that ranges are taken from, too. Finished cells are kept, so that a run that was stopped goes on.
#
#	docs/results/methods.sh MODEL.onnx CIFAR10-DIR OUT-DIR [--shard I/N]
set -euo pipefail
model=$1 data=$2 out=$3
shard=("${@:4}")
zaq=$(dirname "$0")/../../bin/zaq
ranges=${RANGES:+--calib $RANGES}
methods="squant${RANGES:+,squant $ranges},dfq,aciq,rtn $ranges,rtn --bias-correction=false --observer ema $ranges,zeroq,deepinversion"
methods+=",gdfq --keep last $ranges,zaq --keep last $ranges,ft --data cifar10:$data $ranges"
run() { "$zaq" sweep --models "$model" --scheme paper --data "cifar10:$data" "$@"; }
run --methods "$methods" --precision w4a4,w3a3 --seeds 1,2,3 -o "$out/three" "${shard[@]}"
run --methods "$methods" --precision w8a8,w2a4 --seeds 1 -o "$out/one" "${shard[@]}"
"$zaq" sweep merge "$out/three" "$out/one" -o "$out"
