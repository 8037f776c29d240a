#!/usr/bin/env bash
# Makes the Lambda layers of template.yaml, x86-64: what the functions need beside their programs.
#
#   scripts/layers.sh [FOLDER]     default: target/layers
#
# X264     the duolip-x264 program (default: target/release/duolip-x264)
#
# Each lies in FOLDER/NAME as Lambda shows it below /opt, and in FOLDER/NAME.zip. Ends with versions,
# sizes and sums; fails where all of them, and a program of 60 MB, are more than the 250 MB that Lambda
# unpacks.
set -euo pipefail

readonly FFMPEG_WHEEL=imageio-ffmpeg==0.6.0
readonly FFMPEG_MEMBER=imageio_ffmpeg/binaries/ffmpeg-linux-x86_64-v7.0.2
readonly FFMPEG_SHA256=e7e7fb30477f717e6f55f9180a70386c62677ef8a4d4d1a5d948f4098aa3eb99
readonly LIMIT_MB=250 PROGRAM_MB=60
# Lambda's C library.
readonly GLIBC=2.34

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath "${CARGO_TARGET_DIR:-target}")
layers=$(realpath -m "${1:-$target/layers}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

die() {
    echo "layers: $1" >&2
    exit 1
}

[[ $(uname -m) == x86_64 ]] || die "the layers are made on x86_64; this is $(uname -m)"
runtime=$(find "$target/onnxruntime" -maxdepth 1 -name 'libonnxruntime.so.*' | sort | tail -n 1)
[[ -n $runtime ]] || die "ONNX Runtime is not there: scripts/setup.sh onnxruntime"
espeak=$(command -v espeak-ng) || die "espeak-ng is not there: scripts/setup.sh packages"
rm -rf "$layers"
mkdir -p "$layers"/{onnxruntime/lib,ffmpeg/bin,espeak/{bin,espeak-ng},data/share/duolip/models}

cp "$runtime" "$layers/onnxruntime/lib/libonnxruntime.so"

"$target/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --platform manylinux2014_x86_64 --dest "$scratch" "$FFMPEG_WHEEL"
"$target/venv/bin/python" - "$scratch" "$FFMPEG_MEMBER" "$layers/ffmpeg/bin/ffmpeg" <<'PYTHON'
import pathlib, sys, zipfile

folder, member, destination = sys.argv[1:]
(wheel,) = pathlib.Path(folder).glob("*.whl")
pathlib.Path(destination).write_bytes(zipfile.ZipFile(wheel).read(member))
PYTHON
echo "$FFMPEG_SHA256  $layers/ffmpeg/bin/ffmpeg" | sha256sum --quiet --check
chmod 755 "$layers/ffmpeg/bin/ffmpeg"

x264=${X264:-$target/release/duolip-x264}
[[ -x $x264 ]] || die "$x264 is not there: make layers builds it"
strip -o "$layers/ffmpeg/bin/duolip-x264" "$x264"
newest=$(objdump -T "$x264" | grep -o 'GLIBC_2[.0-9]*' | sort -Vu | tail -n 1)
[[ $(printf '%s\n' "${newest#GLIBC_}" "$GLIBC" | sort -V | tail -n 1) == "$GLIBC" ]] \
    || die "duolip-x264 needs glibc ${newest#GLIBC_}; Lambda has $GLIBC"

# espeak-ng with every library that it links, the C library and its loader among them: Lambda's own is
# older than that of any Debian with this espeak-ng.
own=$layers/espeak/espeak-ng
cp "$(realpath "$espeak")" "$own/espeak-ng"
ldd "$espeak" | awk '$3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
    cp -L "$library" "$own/"
done
cp -r "$(dirname "$(ldd "$espeak" | awk '/libespeak-ng/ { print $3 }' | xargs realpath)")/espeak-ng-data" "$own/"
cat >"$layers/espeak/bin/espeak-ng" <<'WRAPPER'
#!/bin/sh
# With its own loader and libraries, wherever the layer lies.
own=${0%/*}/../espeak-ng
ESPEAK_DATA_PATH=$own exec "$own/ld-linux-x86-64.so.2" --library-path "$own" "$own/espeak-ng" "$@"
WRAPPER
chmod 755 "$layers/espeak/bin/espeak-ng"

cp -r models/demo "$layers/data/share/duolip/models/"
cp -r avatars "$layers/data/share/duolip/"

total=0
printf '%-12s %12s %12s  %s\n' layer 'MB unpacked' 'MB packed' 'sha256 of the zip'
for layer in onnxruntime ffmpeg espeak data; do
    # One time for all files, so that the same content gives the same zip.
    find "$layers/$layer" -exec touch --no-dereference --date=2000-01-01T00:00Z {} +
    "$target/venv/bin/python" - "$layers/$layer" <<'PYTHON'
import pathlib, sys, zipfile

folder = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(f"{folder}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        archive.write(file, file.relative_to(folder))
PYTHON
    unpacked=$(du -sb --apparent-size "$layers/$layer" | cut -f 1)
    total=$((total + unpacked))
    printf '%-12s %12.1f %12.1f  %s\n' "$layer" "$((unpacked / 100000))e-1" \
        "$(($(stat -c %s "$layers/$layer.zip") / 100000))e-1" "$(sha256sum <"$layers/$layer.zip" | cut -c 1-64)"
done
"$layers/ffmpeg/bin/ffmpeg" -version | head -n 1
"$layers/ffmpeg/bin/duolip-x264" --version
"$layers/espeak/bin/espeak-ng" --version
megabytes=$((total / 1000000 + PROGRAM_MB))
echo "together, with a program of $PROGRAM_MB MB: $megabytes MB of $LIMIT_MB"
((megabytes <= LIMIT_MB)) || die "that is more than Lambda unpacks"
