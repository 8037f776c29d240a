#!/usr/bin/env bash
# Trains the demo pair from nothing: models/demo/{gan,nogan}, the avatars and the
# checker's ruler. Needs python3, ffmpeg, espeak-ng and libcairo2-dev.
#
#   models/training/train.sh [--work DIR] [--quick | --gpu] [--python PROGRAM]
#
# DIR (default target/training) keeps the virtual environment, the speech, the
# faces and the checkpoints; finished speech, faces and halves are not made again, and a
# painter or look that was broken off goes on where it was.
# --quick runs every stage in miniature, in about four minutes on two idle cores: its mouths
# follow speech somewhat, and stay in DIR/result with their avatars and ruler.
# --gpu learns on a CUDA GPU, by the clock: eleven minutes with sixteen cores, which draw 3,000 people
# and speak all the while.
# --python is a Python that has what requirements.txt lists (default: one installed in DIR).
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
work=$root/target/training
quick=false gpu=false python=
while (($#)); do
  case $1 in
    --work) work=${2:?--work needs a folder} && shift 2 ;;
    --quick) quick=true && shift ;;
    --gpu) gpu=true && shift ;;
    --python) python=${2:?--python needs a program} && shift 2 ;;
    *) echo "train.sh: unknown argument $1" >&2 && exit 2 ;;
  esac
done
mkdir -p "$work"
work=$(cd "$work" && pwd)
cd "$root/models/training"

if [[ -z $python ]]; then
  python=$work/venv/bin/python
fi
if ! command -v "$python" >/dev/null; then
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

if $gpu; then
  speech=(--minutes 30000 --processes "$(($(nproc) / 2))") # more than is heard, and ended then
  faces=(--people 3000)
  audio_steps=(--device cuda --minutes 4 --batch 2048 --peak-rate 3e-3)
  painter_steps=(--device cuda --minutes 2.75 --batch 256 --peak-rate 2e-3)
  pair_steps=(--device cuda --minutes 4 --batch 256 --peak-rate 1.5e-3)
fi

# One thread a process: small layers gain little from a second, and two stages run side by side.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

"$python" -m demo_pair.avatar --output "$avatars"
# Speech that is still being made is ended with the processes that make it.
speaking=
hush() {
  [[ -z $speaking ]] || pkill --parent "$speaking" || true
  speaking=
}
trap hush EXIT
if [[ ! -f $work/speech-validation.npz ]]; then
  nice "$python" -m demo_pair.speech --work "$work" "${speech[@]}" &
  speaking=$!
  if $gpu; then # hears what there is, and takes up what is added meanwhile
    until compgen -G "$work/speech-training-*.npz" >/dev/null; do
      kill -0 "$speaking"
      sleep 1
    done
  else
    wait "$speaking"
    speaking=
  fi
fi

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
  [[ -f $work/mouths-others.npy ]] || nice "$python" -m demo_pair.faces --work "$work" "${faces[@]}"
  "$python" -m demo_pair.calibrate --output "$ruler"
  "$python" -m demo_pair.train_painter --work "$work" "${painter_steps[@]}"
  wait "$audio"
  touch "$work/halves-trained"
  hush
fi

"$python" -m demo_pair.train_pair nogan --work "$work" "${pair_steps[@]}" &
nogan=$!
"$python" -m demo_pair.train_pair gan --work "$work" "${pair_steps[@]}"
wait "$nogan"

for look in nogan gan; do
  "$python" -m demo_pair.export "$look" --work "$work" --output "$pair/$look"
done
"$python" -m demo_pair.preview --ruler "$ruler" "$pair/nogan" "$pair/gan"
