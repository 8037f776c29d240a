#!/usr/bin/env bash
# Renders the gallery of the README, docs/gallery.webp: the drawn avatars side by side, who speak in
# turn, with espeak-ng's voices, through the program as it stands.
#
#   scripts/gallery.sh DUOLIP [OUTPUT]
set -euo pipefail

readonly MOST_BYTES=2000000
readonly HEIGHT=360
readonly PAUSE=0.4 # seconds before each, and after the last
duolip=$(realpath "${1:?the duolip program}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
output=${2:-docs/gallery.webp}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

avatars=(anna mira pavel)
voices=(ru+f2 en-us+f3 ru+m1)
texts=(
    'Здравствуйте! Меня зовут Анна.'
    'And I am Mira. We say what you write.'
    'А я Павел. До встречи!'
)

add() {
    awk -v a="$1" -v b="$2" 'BEGIN {printf "%.3f", a + b}'
}

starts=() total=0
for index in "${!avatars[@]}"; do
    espeak-ng -v "${voices[index]}" -s 150 -w "$scratch/$index.wav" "${texts[index]}"
    starts+=("$(add "$total" "$PAUSE")")
    length=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$scratch/$index.wav")
    total=$(add "${starts[index]}" "$length")
done
total=$(add "$total" "$PAUSE")

# Everyone's speech lasts as long as all of them: who does not speak hears silence.
inputs=() filters='' labels=''
for index in "${!avatars[@]}"; do
    speech=$scratch/${avatars[index]}.wav video=$scratch/${avatars[index]}.mp4
    delay=$(awk -v s="${starts[index]}" 'BEGIN {printf "%d", s * 1000}')
    ffmpeg -v error -i "$scratch/$index.wav" -af "adelay=$delay,apad=whole_dur=$total" "$speech"
    if ! "$duolip" render --audio "$speech" --avatar "${avatars[index]}" --output "$video" >"$scratch/log" 2>&1; then
        cat "$scratch/log" >&2
        exit 1
    fi
    inputs+=(-i "$video")
    filters+="[$index:v]scale=-2:$HEIGHT:flags=lanczos[v$index];"
    labels+="[v$index]"
done

ffmpeg -v error -y "${inputs[@]}" -filter_complex "${filters}${labels}hstack=inputs=${#avatars[@]}[all]" \
    -map '[all]' -c:v libwebp_anim -quality 90 -compression_level 5 -loop 0 "$output"
bytes=$(stat -c %s "$output")
if ((bytes > MOST_BYTES)); then
    echo "$output has $bytes bytes, more than $MOST_BYTES" >&2
    exit 1
fi
echo "$output: $bytes bytes, $total s"
