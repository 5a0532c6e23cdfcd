#!/usr/bin/env bash
# rtn, squant, dfq, zaq and ft at W4A4 paper, and rtn and zaq at W8A8, W4A8 and W4A4 deploy, on the models named, such as
# resnet20_ehanw_cifar10.onnx, resnet8_mlperftiny_cifar10.onnx and networks of zaq train. STEPS is for zaq and ft, FLAGS for
# zaq alone. Finished cells are kept, so that a run that was stopped goes on.
#
#	[STEPS="--steps 200"] [FLAGS="--warmup 200"] docs/results/architectures.sh CIFAR10-DIR OUT-DIR MODEL.onnx...
set -euo pipefail
data=$1 out=$2
models=$(IFS=,; echo "${*:3}")
zaq=$(dirname "$0")/../../bin/zaq
learned="zaq ${STEPS:-} ${FLAGS:-}"
run() { "$zaq" sweep --models "$models" --data "cifar10:$data" "$@"; }
run --scheme paper --precision w4a4 --methods "rtn --images statistics,squant,dfq,$learned,ft --data cifar10:$data ${STEPS:-}" -o "$out/paper"
run --scheme deploy --precision w8a8,w4a8,w4a4 --methods "rtn --images statistics,$learned" -o "$out/deploy"
"$zaq" sweep merge "$out/paper" "$out/deploy" -o "$out"
