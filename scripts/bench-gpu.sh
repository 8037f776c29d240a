#!/usr/bin/env bash
# Measures lip-sync and whole renders on a GPU and prints short tables: full-width networks with
# random weights, in half precision where CUDA takes it.
#
#   DUOLIP_GPU_LIBRARIES=FOLDER scripts/bench-gpu.sh DUOLIP [PROVIDER]
#
# duolip-x264 lies beside DUOLIP, or is on the search path. FOLDER has, at any depth, ONNX Runtime with
# its CUDA provider, and the CUDA and cuDNN libraries that the system lacks. One made with
#
#   pip install --target FOLDER 'onnxruntime-gpu[cuda,cudnn]==1.31.1'
#
# has all of it (1.5 GB, CUDA 13). PROVIDER is cuda; with cpu, and a FOLDER with ONNX Runtime for the
# CPU, the script itself is tried out without a GPU.
#
# DUOLIP_GPU_BATCHES   batch sizes to try (default "16 32 64 128"; on the CPU "8 16")
# DUOLIP_GPU_MODELS    where the random models are kept (default: a folder that is removed at the end)
# DUOLIP_GPU_SPEECH    a minute of speech (default: spoken by espeak-ng)
# DUOLIP_FFMPEG        the ffmpeg program (default: ffmpeg)
set -euo pipefail
shopt -s inherit_errexit

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
# A GPU paints thousands of mouths a second, a core twenty.
case $provider in
    cuda)
        read -ra batches <<<"${DUOLIP_GPU_BATCHES:-16 32 64 128}"
        amount=(--long 4000 --short 100 --rounds 5) seconds=(20 60)
        renders=(--rounds 5 --num-workers "4,8" --jobs "1,4,16")
        ;;
    cpu)
        read -ra batches <<<"${DUOLIP_GPU_BATCHES:-8 16}"
        amount=(--long 48 --short 4 --rounds 2) seconds=(2)
        renders=(--rounds 1 --num-workers 4 --jobs "1,2")
        ;;
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
best=$(for batch in "${batches[@]}"; do
    awk -v batch="$batch" '/^both models at once/ { print $5, batch }' "$scratch/sessions-$batch"
done | sort -rn | head -n 1)
echo "figure mouths_per_second both_models_${provider}_batch_${best#* } ${best% *}"
echo

# Whole renders. More is spoken than is needed, and cut.
speech=${DUOLIP_GPU_SPEECH:-$scratch/long.wav}
if [[ -z ${DUOLIP_GPU_SPEECH:-} ]]; then
    printf 'Peter Piper picked a peck of pickled peppers, and nobody knows why. %.0s' {1..20} \
        | espeak-ng -v en-us --stdin -w "$speech"
fi
for length in "${seconds[@]}"; do
    "${DUOLIP_FFMPEG:-ffmpeg}" -v error -i "$speech" -t "$length" -ac 1 -ar 16000 "$scratch/$length.wav"
    renders+=(--audio "$scratch/$length.wav")
done
"$duolip" bench renders --random-weights "$models" --batch-size "${best#* }" "${renders[@]}"
