#!/usr/bin/env bash
# Does memory grow with the length of the speech? Renders one minute and ten minutes of the same
# speech and compares the peaks of the whole process tree: ffmpeg's memory counts as ours.
#
#   bench/memory.sh [DUOLIP]     default: debug/duolip in CARGO_TARGET_DIR (default: target)
#
# Fails when ten minutes take more than 1.3 times the memory of one. What may grow is the speech
# itself, its mel spectrogram and nothing else: 38 MB and 15 MB in ten minutes.
set -euo pipefail
# Without it a failure inside $(measure ...) would be passed over.
shopt -s inherit_errexit

readonly SHORT_SECONDS=60 LONG_SECONDS=600 LARGEST_RATIO=1.3

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
duolip=${1:-${CARGO_TARGET_DIR:-$root/target}/debug/duolip}
if [[ ! -x $duolip ]]; then
    echo "$duolip is not there: make build" >&2
    exit 66
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

duration_of() {
    ffprobe -v error -show_entries format=duration -of csv=p=0 "$1"
}

make_speech() {
    local text="The quick brown fox jumps over the lazy dog. Peter Piper picked a peck of pickled peppers, and nobody knows why. We walk by the river before the bakery opens."
    for _ in {1..120}; do
        echo "$text"
    done | espeak-ng -v en-us --stdin -w "$scratch/speech.wav"
    local seconds
    for seconds in "$SHORT_SECONDS" "$LONG_SECONDS"; do
        ffmpeg -v error -i "$scratch/speech.wav" -t "$seconds" -ac 1 -ar 16000 "$scratch/$seconds.wav"
        if ! duration_of "$scratch/$seconds.wav" | awk -v wanted="$seconds" '{ exit !($1 > wanted - 0.01) }'; then
            echo "the speech is shorter than $seconds s: repeat its text more often" >&2
            exit 1
        fi
    done
}

# Prints: tree's peak and the process's own, in bytes.
measure() {
    local seconds=$1 video=$scratch/$1.mp4
    python3 "$root/bench/peak_memory.py" \
        "$duolip" render --audio "$scratch/$seconds.wav" --avatar anna --output "$video"
    # A video cut short would have needed little memory.
    if ! duration_of "$video" | awk -v wanted="$seconds" '{ exit !($1 > wanted - 0.1 && $1 < wanted + 0.1) }'; then
        echo "the video of $seconds s lasts $(duration_of "$video") s" >&2
        return 1
    fi
}

make_speech
short=$(measure "$SHORT_SECONDS")
long=$(measure "$LONG_SECONDS")
awk -v short="$short" -v long="$long" -v short_s="$SHORT_SECONDS" -v long_s="$LONG_SECONDS" -v largest="$LARGEST_RATIO" 'BEGIN {
    split(short, s); split(long, l)
    printf "%-12s %18s %18s\n", "peak, MB", "whole tree (PSS)", "duolip alone (RSS)"
    printf "%-12s %18.1f %18.1f\n", short_s " s", s[1] / 1e6, s[2] / 1e6
    printf "%-12s %18.1f %18.1f\n", long_s " s", l[1] / 1e6, l[2] / 1e6
    printf "%-12s %18.3f %18.3f   (limit of the tree: %s)\n", "ratio", l[1] / s[1], l[2] / s[2], largest
    exit l[1] / s[1] > largest
}'
