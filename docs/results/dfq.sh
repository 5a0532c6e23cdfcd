#!/usr/bin/env bash
# DFQ's own claim: one grid for all channels of a weight, 8 bits, on MobileNet v1, by rounding and by dfq with and without
# bias correction; and what a grid for each channel does.
#
#	docs/results/dfq.sh MODEL.onnx LABELS.csv OUT-DIR          imagenet/sample500_labels.csv, for instance
set -euo pipefail
model=$1 labels=$2 out=$3
zaq=$(dirname "$0")/../../bin/zaq
"$zaq" sweep --models "$model" --data "csv:$labels" --precision w8a8 -o "$out" \
	--methods "rtn --images statistics --observer minmax --per-tensor --bias-correction=false,rtn --images statistics --observer minmax --per-tensor,dfq --per-tensor --bias-correction=false,dfq --per-tensor,squant --observer minmax,dfq"
