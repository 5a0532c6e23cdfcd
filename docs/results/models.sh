#!/usr/bin/env bash
# The rows of models.md: quantizes every shared model whose name has ONLY in it by METHODS, at every one of PRECISIONS, evaluates the
# files on the data sets of the model's kind, and says what the run took. Finished rows are kept, so that a run that was
# stopped goes on. Peak memory needs GNU time.
#
#	[ONLY=mobilenet] [METHODS="rtn squant"] [PRECISIONS="w8a8 w4a8 w4a4"] [FLAGS="--memory 4GiB"] docs/results/models.sh SHARED-DATA CIFAR10-DIR OUT-DIR
set -euo pipefail
data=$1 cifar=$2 out=$3
zaq=$(dirname "$0")/../../bin/zaq
mkdir -p "$out"

imagenet="csv:$data/imagenet/sample500_labels.csv csv:$data/imagenet/openimages150_labels.csv"
voc="voc:$data/detection/voc100" boxes="boxes:$data/detection/openimages150/boxes.csv"

figure() { # JSON KEY: the first number of that name
	grep -o "\"$2\": *[0-9.e+-]*" "$1" | head -1 | sed 's/.*: *//'
}

score() { # FILE SPEC...: top-1 or mAP@0.5 of each
	local file=$1 spec json=$out/eval.json
	shift
	for spec in "$@"; do
		"$zaq" eval -q "$file" --description "$side" --data "$spec" --json >"$json"
		if grep -q '"map50"' "$json"; then
			awk -v v="$(figure "$json" map50)" 'BEGIN { printf "%.2f ", 100 * v }'
		else
			awk -v v="$(figure "$json" top1)" -v n="$(figure "$json" n)" 'BEGIN { printf "%.2f ", 100 * v / n }'
		fi
	done
}

noise() { # JSON: signal to noise of the layers' outputs on the images behind ranges, the worst and the median
	grep -o '"output_sqnr_db": *[-0-9.]*' "$1" | sed 's/.*: *//' | sort -n | awk '{ v[NR] = $1 } END { if (NR) printf "%.1f %.1f dB ", v[1], v[int((NR + 1) / 2)] }'
}

model() { # MODEL SPEC...
	local path=$data/models/$1.onnx name precision method row took
	[[ $1 == *${ONLY:-}* ]] || return 0
	name=$(basename "$1")
	side=$data/models/$1.json
	shift
	if [ $# -gt 0 ] && [ ! -s "$out/$name.float.row" ]; then
		printf '| %s | float | | %s| | | |\n' "$name" "$(score "$path" "$@")" >"$out/row" && mv "$out/row" "$out/$name.float.row"
	fi
	for method in ${METHODS:-rtn}; do
		for precision in ${PRECISIONS:-w8a8 w4a8 w4a4}; do
			row=$name.$method.$precision
			[ -s "$out/$row.row" ] && continue
			# shellcheck disable=SC2086
			if ! /usr/bin/time -o "$out/time" -f '%M' "$zaq" quantize -q "$path" --method "$method" --precision "$precision" \
				--seed 1 ${FLAGS:-} -o "$out/$row.onnx" --json >"$out/$row.result.json" 2>"$out/$row.log"; then
				echo "| $name | $precision | $method | $(grep '^error' "$out/$row.log") | | | |" >"$out/$row.row"
				continue
			fi
			"$zaq" inspect "$out/$row.onnx" --json >"$out/$row.inspect.json" 2>/dev/null
			took=$(awk -v ns="$(figure "$out/$row.result.json" elapsed_ns)" 'BEGIN { printf "%.0f", ns / 1e9 }')
			printf '| %s | %s | %s | %s| %s | %s | %s of %s |\n' "$name" "$precision" "$method" "$(if [ $# -gt 0 ]; then score "$out/$row.onnx" "$@"; else noise "$out/$row.result.json"; fi)" \
				"$took" "$(($(tail -1 "$out/time") / 1024))" \
				"$(grep -c '"ort_kernel"' "$out/$row.inspect.json")" "$(grep -c -e '"ort_kernel"' -e '"ort_float"' "$out/$row.inspect.json")" \
				>"$out/row" && mv "$out/row" "$out/$row.row"
		done
	done
}

for m in resnet20_akamaster_cifar10 resnet20_ehanw_cifar10 resnet8_mlperftiny_cifar10; do model cifar10/$m "cifar10:$cifar"; done
# shellcheck disable=SC2086
for m in mobilenet_v1_0.75_224_imagenet mobilenet_v2_1.0_224_int8grid_bnfolded_imagenet; do model imagenet/$m $imagenet; done
model detection/mobilenetv2_yolov3_nano_voc "$voc"
model detection/yolo_fastest_1.1_coco "$voc" "$boxes"
model wild/nanodet_m "$voc" "$boxes"
model wild/version-RFB-320 # finds faces, which no set here has

echo '| model | precision | method | top-1 or mAP@0.5, % | seconds | peak MiB | integer layers in ONNX Runtime |'
echo '|---|---|---|---|---|---|---|'
cat "$out"/*.row
