#!/usr/bin/env bash
# Trains the demo pair from nothing: models/demo/{gan,nogan}, avatars/anna and the
# checker's ruler. Needs python3, ffmpeg, espeak-ng and libcairo2-dev.
#
#   models/training/train.sh [--work DIR] [--quick]
#
# DIR (default target/training) keeps the virtual environment, the speech, the
# faces and the checkpoints; finished speech, faces and halves are not made again.
# --quick runs every stage in miniature to see that all of them run: its pair cannot
# speak, and stays in DIR/result with its avatar and ruler.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/target/training
quick=false
while (($#)); do
  case $1 in
    --work) work=${2:?--work needs a folder} && shift 2 ;;
    --quick) quick=true && shift ;;
    *) echo "train.sh: unknown argument $1" >&2 && exit 2 ;;
  esac
done
mkdir -p "$work"
work=$(cd "$work" && pwd)
cd "$root/models/training"

python=$work/venv/bin/python
if [[ ! -x $python ]]; then
  python3 -m venv "$work/venv"
  "$python" -m pip install --quiet --requirement requirements.txt
fi

pair=$root/models/demo avatar=$root/avatars/anna ruler=$root/tests/python/lipsync_ruler.json
speech=() faces=() audio_steps=() painter_steps=() pair_steps=()
if $quick; then
  pair=$work/result avatar=$work/result/anna ruler=$work/result/lipsync_ruler.json
  mkdir -p "$pair"
  speech=(--minutes 15)
  faces=(--people 3)
  audio_steps=(--steps 60)
  painter_steps=(--steps 100)
  pair_steps=(--steps 20)
fi

# One thread a process: small layers gain little from a second, and two stages run side by side.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

"$python" -m demo_pair.avatar --output "$avatar"
[[ -f $work/speech-validation.npz ]] || "$python" -m demo_pair.speech --work "$work" "${speech[@]}"
[[ -f $work/nearest-others.npy ]] || "$python" -m demo_pair.faces --work "$work" "${faces[@]}"
"$python" -m demo_pair.calibrate --output "$ruler"

if [[ ! -f $work/halves-trained ]]; then
  "$python" -m demo_pair.train_audio --work "$work" "${audio_steps[@]}" &
  audio=$!
  "$python" -m demo_pair.train_painter --work "$work" "${painter_steps[@]}"
  wait "$audio"
  touch "$work/halves-trained"
fi

"$python" -m demo_pair.train_pair nogan --work "$work" "${pair_steps[@]}" &
nogan=$!
"$python" -m demo_pair.train_pair gan --work "$work" "${pair_steps[@]}"
wait "$nogan"

for look in nogan gan; do
  "$python" -m demo_pair.export "$look" --work "$work" --output "$pair/$look"
done
"$python" -m demo_pair.evaluate "$pair/nogan" "$pair/gan"
