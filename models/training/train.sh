#!/usr/bin/env bash
# Trains the demo pair from nothing: models/demo/{gan,nogan}, avatars/anna and the
# checker's ruler. Needs python3, ffmpeg, espeak-ng and libcairo2-dev.
#
#   models/training/train.sh [--work DIR]
#
# DIR (default target/training) keeps the virtual environment, the speech, the
# faces and the checkpoints; finished speech, faces and halves are not made again.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/target/training
if [[ ${1:-} == --work ]]; then
  work=$2
fi
mkdir -p "$work"
work=$(cd "$work" && pwd)
cd "$root/models/training"

python=$work/venv/bin/python
if [[ ! -x $python ]]; then
  python3 -m venv "$work/venv"
  "$python" -m pip install --quiet --requirement requirements.txt
fi

# One thread a process: small layers gain little from a second, and two stages run side by side.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

"$python" -m demo_pair.avatar --output "$root/avatars/anna"
[[ -f $work/speech-validation.npz ]] || "$python" -m demo_pair.speech --work "$work"
[[ -f $work/nearest-others.npy ]] || "$python" -m demo_pair.faces --work "$work"
"$python" -m demo_pair.calibrate --output "$root/tests/python/lipsync_ruler.json"

if [[ ! -f $work/halves-trained ]]; then
  "$python" -m demo_pair.train_audio --work "$work" &
  audio=$!
  "$python" -m demo_pair.train_painter --work "$work"
  wait "$audio"
  touch "$work/halves-trained"
fi

"$python" -m demo_pair.train_pair nogan --work "$work" &
nogan=$!
"$python" -m demo_pair.train_pair gan --work "$work"
wait "$nogan"

for look in nogan gan; do
  "$python" -m demo_pair.export "$look" --work "$work" --output "$root/models/demo/$look"
done
"$python" -m demo_pair.evaluate "$root/models/demo/nogan" "$root/models/demo/gan"
