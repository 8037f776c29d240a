#!/usr/bin/env bash
# Measures lip-sync and a whole render on a GPU and prints a short table: full-width networks with
# random weights, in half precision where CUDA takes it.
#
#   DUOLIP_GPU_LIBRARIES=FOLDER scripts/bench-gpu.sh DUOLIP [PROVIDER]
#
# FOLDER has, at any depth, ONNX Runtime with its CUDA provider, and the CUDA and cuDNN libraries that
# the system lacks. One made with
#
#   pip install --target FOLDER 'onnxruntime-gpu[cuda,cudnn]==1.31.1'
#
# has all of it (1.5 GB, CUDA 13). PROVIDER is cuda; with cpu, and a FOLDER with ONNX Runtime for the
# CPU, the script itself is tried out without a GPU.
#
# DUOLIP_GPU_BATCHES   batch sizes to try (default "16 32 64 128"; on the CPU "8 16")
# DUOLIP_GPU_MODELS    where the random models are kept (default: a folder that is removed at the end)
set -euo pipefail
shopt -s inherit_errexit

readonly SPEECH_SECONDS=20

die() {
    echo "bench-gpu: $1" >&2
    exit "${2:-1}"
}

duolip=$(realpath "${1:?the duolip program}")
provider=${2:-cuda}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ -x $duolip ]] || die "$duolip is not there: make build" 66
[[ $provider == cuda || $provider == cpu ]] || die "PROVIDER is $provider; it is cuda or cpu" 64
[[ -d ${DUOLIP_GPU_LIBRARIES:-} ]] || die "DUOLIP_GPU_LIBRARIES=${DUOLIP_GPU_LIBRARIES:-} is not a folder; the top of this script says what belongs there" 64
libraries=$(realpath "$DUOLIP_GPU_LIBRARIES")

# The first file of a name, at any depth.
found() {
    find -L "$libraries" -name "$1" -type f -print -quit
}

runtime=$(found 'libonnxruntime.so*')
[[ -n $runtime ]] || die "there is no libonnxruntime.so in $libraries" 66
if [[ $provider == cuda ]]; then
    for name in libonnxruntime_providers_shared.so libonnxruntime_providers_cuda.so; do
        [[ -f $(dirname "$runtime")/$name ]] || die "$name does not lie beside $runtime" 66
    done
fi
folders=$(find -L "$libraries" -name 'lib*.so*' -type f -printf '%h\n' | sort -u | paste -sd :)
export ORT_DYLIB_PATH=$runtime LD_LIBRARY_PATH=$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export DUOLIP_EXECUTION_PROVIDER=$provider

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
models=${DUOLIP_GPU_MODELS:-$scratch/models}
mkdir -p "$models"
read -ra batches <<<"${DUOLIP_GPU_BATCHES:-$([[ $provider == cuda ]] && echo '16 32 64 128' || echo '8 16')}"
# A GPU paints thousands of mouths a second, a core twenty.
case $provider in
    cuda) amount=(--long 2000 --short 100 --rounds 5) ;;
    cpu) amount=(--long 48 --short 4 --rounds 2) ;;
esac

if [[ $provider == cuda ]] && command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
fi
"$duolip" --version

# Sessions, one batch size after the other. What a run says is kept, and shown when it fails.
for batch in "${batches[@]}"; do
    out=$scratch/sessions-$batch
    "$duolip" bench sessions --random-weights "$models" --batch-size "$batch" "${amount[@]}" >"$out" 2>&1 \
        || { cat "$out" >&2; die "the sessions could not be measured in batches of $batch"; }
    cat "$out"
    echo
done

# A whole render. espeak-ng is asked for more than is needed, and cut.
printf 'Peter Piper picked a peck of pickled peppers, and nobody knows why. %.0s' {1..20} \
    | espeak-ng -v en-us --stdin -w "$scratch/long.wav"
ffmpeg -v error -i "$scratch/long.wav" -t "$SPEECH_SECONDS" -ac 1 -ar 16000 "$scratch/speech.wav"
best=$(for batch in "${batches[@]}"; do
    awk -v batch="$batch" '/^both models at once/ { print $5, batch }' "$scratch/sessions-$batch"
done | sort -rn | head -n 1)
batch=${best#* }
CHECKPOINT_PATH_GAN=$models/gan CHECKPOINT_PATH_NOGAN=$models/nogan DUOLIP_BATCH_SIZE=$batch \
    "$duolip" render --audio "$scratch/speech.wav" --output "$scratch/video.mp4" >"$scratch/render" 2>&1 \
    || { cat "$scratch/render" >&2; die 'the render failed'; }
frames=$(ffprobe -v error -count_packets -select_streams v -show_entries stream=nb_read_packets -of csv=p=0 "$scratch/video.mp4")
wanted=$((SPEECH_SECONDS * 25))
[[ $frames == "$wanted" ]] || die "the video has $frames frames; $wanted are wanted"
echo "render of $SPEECH_SECONDS s of speech, both models, batches of $batch:"
grep -E '^  (speech|mel|chunk|render|encode speech|concat|total|real-time)' "$scratch/render" \
    || { cat "$scratch/render" >&2; die 'the render printed no statistics'; }

# Lines for scripts, as `duolip bench` prints them.
echo "figure mouths_per_second both_models_$provider ${best% *}"
awk '$1 == "total" { printf "figure seconds render_20s %.3f\n", $2 / 1000 }
     $1 == "chunk" && match($0, /lip-sync [0-9]+, compose [0-9]+, encode [0-9]+/) {
         split(substr($0, RSTART, RLENGTH), part, /[ ,]+/)
         lip_sync += part[2]; encode += part[6]
     }
     END { if (encode) printf "figure lip_sync_against_encoding render_20s %.3f\n", lip_sync / encode }' "$scratch/render"
