#!/usr/bin/env bash
# Trains the demo pair from nothing: models/demo/{gan,nogan}, the avatars and the
# checker's ruler. Needs python3, ffmpeg, espeak-ng and libcairo2-dev.
#
#   models/training/train.sh [--work DIR] [--quick]
#
# DIR (default target/training) keeps the virtual environment, the speech, the
# faces and the checkpoints; finished speech, faces and halves are not made again, and a
# painter or look that was broken off goes on where it was.
# --quick runs every stage in miniature, in about four minutes on two idle cores: its mouths
# follow speech somewhat, and stay in DIR/result with their avatars and ruler.
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
  "$python" -m pip install --quiet --requirement requirements-engines.txt ||
    echo "train.sh: the neural voices are left out, they could not be installed" >&2
fi

pair=$root/models/demo avatars=$root/avatars ruler=$root/tests/python/lipsync_ruler.json
speech=() faces=() audio_steps=() painter_steps=() pair_steps=()
if $quick; then
  pair=$work/result avatars=$work/result/avatars ruler=$work/result/lipsync_ruler.json
  mkdir -p "$pair" "$work/voices" # speaks with no other engine, and hears none
  speech=(--minutes 12 --engine-minutes 0)
  faces=(--people 3 --gallery-mouths 80)
  audio_steps=(--steps 400)
  painter_steps=(--steps 900)
  pair_steps=(--steps 20)
fi

# One thread a process: small layers gain little from a second, and two stages run side by side.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

"$python" -m demo_pair.avatar --output "$avatars"
[[ -f $work/speech-validation.npz ]] || "$python" -m demo_pair.speech --work "$work" "${speech[@]}"
[[ -f $work/mouths-others.npy ]] || "$python" -m demo_pair.faces --work "$work" "${faces[@]}"
"$python" -m demo_pair.calibrate --output "$ruler"

# Voices that training never hears; those of neural engines and of people need the aligner,
# which learns from the other engines' phoneme times.
if [[ ! -d $work/voices ]]; then
  aligner=()
  if compgen -G "$work/engines/*.npz" >/dev/null; then
    "$python" -m demo_pair.align --engines "$work/engines" --output "$work/aligner.pt"
    aligner=(--aligner "$work/aligner.pt")
  fi
  "$python" -m demo_pair.engines --output "$work/voices" "${aligner[@]}"
fi

if [[ ! -f $work/halves-trained ]]; then
  "$python" -m demo_pair.train_audio --work "$work" --voices "$work/voices" "${audio_steps[@]}" &
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
"$python" -m demo_pair.preview --ruler "$ruler" "$pair/nogan" "$pair/gan"
