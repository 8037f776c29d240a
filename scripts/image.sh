#!/usr/bin/env bash
# Builds the image of Dockerfile.gpu, starts it, renders a video through its server, and prints its size
# and how long it took to be ready. With Docker where its daemon answers, else with buildah as root, in
# chroot isolation and on a base made with debootstrap, which needs neither a daemon nor a registry.
#
#   scripts/image.sh
#
# IMAGE         name of the image (default: duolip)
# ONNXRUNTIME   cuda, cuda-base or cpu; Dockerfile.gpu says what each is (default: cuda)
# PROGRAMS_DIR  folder of compiled programs to put in (default: none with Docker, which compiles them in
#               the image; with buildah, what cargo builds here with PROFILE)
# PROFILE       cargo's profile (default: release)
# BASE_IMAGE, BUILD_IMAGE, MODELS   as Dockerfile.gpu says
set -euo pipefail
shopt -s inherit_errexit

readonly DEBIAN=bookworm START_SECONDS=180
readonly PROGRAMS=(duolip-http duolip-runpod duolip-batch duolip-x264)

cd "$(dirname "${BASH_SOURCE[0]}")/.."
image=${IMAGE:-duolip}
profile=${PROFILE:-release}
target=${CARGO_TARGET_DIR:-target}
store=$target/image
work=$(mktemp -d)
container=
server=

say() {
    printf 'image: %s\n' "$*"
}

die() {
    printf 'image: %s\n' "$1" >&2
    exit "${2:-1}"
}

has_docker() {
    command -v docker >/dev/null && docker info >/dev/null 2>&1
}

# A store of its own: nothing of the machine's other images is seen or touched.
buildah_here() {
    BUILDAH_ISOLATION=chroot buildah --storage-driver vfs --root "$store/images" --runroot "$store/run" "$@"
}

clean_up() {
    if [[ -n $server ]]; then
        stop_server || true
    fi
    if [[ -n $container ]]; then
        if [[ $tool == docker ]]; then
            docker rm --force "$container" >/dev/null
        else
            buildah_here rm "$container" >/dev/null
        fi
    fi
    rm -rf "$work" out/image
}
trap clean_up EXIT

collect_programs() {
    local from=${PROGRAMS_DIR:-} program
    if [[ -z $from ]]; then
        cargo build --profile "$profile" --workspace "${PROGRAMS[@]/#/--bin=}"
        from=$target/$([[ $profile == dev ]] && echo debug || echo "$profile")
    fi
    rm -rf out/image
    mkdir -p out/image/programs
    for program in "${PROGRAMS[@]}"; do
        [[ -x $from/$program ]] || die "$from/$program is not there" 66
        strip -o "out/image/programs/$program" "$from/$program"
    done
}

# What `FROM debian:bookworm-slim` would be.
make_base() {
    local root=$work/base
    say "making a base of Debian $DEBIAN with debootstrap"
    debootstrap --variant=minbase "$DEBIAN" "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$work/debootstrap.log" ||
        die "debootstrap failed: $(tail -n 5 "$work/debootstrap.log")"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* \
        "$root"/usr/share/{doc,man,locale,info}/* "$root"/var/log/*
    container=$(buildah_here from scratch)
    buildah_here add --quiet "$container" "$root" / >/dev/null
    buildah_here commit --quiet "$container" "$1" >/dev/null
    buildah_here rm "$container" >/dev/null
    container=
    rm -rf "$root"
}

# What is not given is left to Dockerfile.gpu.
build() {
    local arguments=() name
    for name in BASE_IMAGE BUILD_IMAGE ONNXRUNTIME MODELS; do
        if [[ -n ${!name:-} ]]; then
            arguments+=(--build-arg "$name=${!name}")
        fi
    done
    if [[ $tool == buildah || -n ${PROGRAMS_DIR:-} ]]; then
        collect_programs
        arguments+=(--build-arg PROGRAMS=prebuilt)
    fi
    if [[ $tool == docker ]]; then
        DOCKER_BUILDKIT=1 docker build --file Dockerfile.gpu --tag "$image" "${arguments[@]}" .
        return
    fi
    if [[ -z ${BASE_IMAGE:-} ]]; then
        local base=localhost/duolip-base:$DEBIAN
        buildah_here inspect --type image "$base" >/dev/null 2>&1 || make_base "$base"
        arguments+=(--build-arg "BASE_IMAGE=$base")
    fi
    local certificates=/etc/ssl/certs/ca-certificates.crt
    if [[ -f $certificates ]]; then
        arguments+=(--volume "$certificates:/mnt/ca-certificates.crt:ro")
        arguments+=(--build-arg CA_CERTIFICATES=/mnt/ca-certificates.crt)
    fi
    # --format docker: the other format has no health check. No cache of the steps: this kind of store
    # would copy the whole image for each.
    buildah_here bud --isolation chroot --format docker --pull-never --layers=false \
        --file Dockerfile.gpu --tag "$image" "${arguments[@]}" .
    # The stages before the last, and what had this name.
    buildah_here rm --all >/dev/null
    buildah_here rmi --prune >/dev/null
}

size_mib() {
    local bytes
    if [[ $tool == docker ]]; then
        bytes=$(docker image inspect --format '{{.Size}}' "$image")
    else
        # Unpacked, as it lies on the disk of a machine that runs it.
        bytes=$(du --summarize --block-size=1 --apparent-size "$(buildah_here mount "$container")" | cut -f 1)
        buildah_here umount "$container" >/dev/null
    fi
    echo "$((bytes / 1048576))"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# The command is the image's own, on the CPU, which is everywhere.
start_server() {
    if [[ $tool == docker ]]; then
        container=$(docker run --detach --env DUOLIP_EXECUTION_PROVIDER=cpu --publish "127.0.0.1:$port:3000" "$image")
        server=docker
        return
    fi
    local command
    mapfile -t command < <(buildah_here inspect --type image "$image" |
        python3 -c 'import json, sys; print(*json.load(sys.stdin)["Docker"]["config"]["Cmd"], sep="\n")')
    # A session of its own, by which the program is found again: there is no daemon to stop it.
    setsid env BUILDAH_ISOLATION=chroot buildah --storage-driver vfs --root "$store/images" --runroot "$store/run" \
        run --env "PORT=$port" --env DUOLIP_EXECUTION_PROVIDER=cpu "$container" -- "${command[@]}" \
        >"$work/log" 2>&1 &
    server=$!
}

server_lives() {
    if [[ $tool == docker ]]; then
        [[ $(docker inspect --format '{{.State.Running}}' "$container") == true ]]
    else
        kill -0 "$server" 2>/dev/null
    fi
}

stop_server() {
    local stopped=$server
    server=
    if [[ $tool == docker ]]; then
        docker stop --time 40 "$container" >/dev/null
    else
        # To the program alone: buildah would end without waiting for it.
        pkill -TERM --session "$stopped" --exact duolip-http
        wait "$stopped"
    fi
}

server_log() {
    if [[ $tool == docker ]]; then docker logs "$container"; else cat "$work/log"; fi
}

in_container() {
    if [[ $tool == docker ]]; then
        docker exec "$container" "$@"
    else
        buildah_here run --env "PORT=$port" "$container" -- "$@"
    fi
}

smoke_test() {
    local port status begun ended
    port=$(free_port)
    if [[ $tool == buildah ]]; then
        container=$(buildah_here from --pull-never "$image")
    fi
    begun=$(date +%s%N)
    start_server
    until [[ $(curl --silent --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$port/ping") == 200 ]]; do
        if ! server_lives || (($(date +%s%N) - begun > START_SECONDS * 1000000000)); then
            server_log >&2
            die "the image's server was not ready within $START_SECONDS s"
        fi
        sleep 0.05
    done
    ended=$(date +%s%N)

    in_container duolip-healthcheck || die "the image's health check says that the server is not ready"
    [[ $(in_container id -u) != 0 ]] || die "the image's programs run as root"
    status=$(curl --silent --max-time 300 --output "$work/video.mp4" --write-out '%{http_code} %{content_type}' \
        --json '{"text": "Здравствуйте!", "language": "ru"}' "http://127.0.0.1:$port/api/generate_parallel")
    if [[ $status != "200 video/mp4" || $(head --bytes 8 "$work/video.mp4" | tail --bytes 4) != ftyp ]]; then
        server_log >&2
        die "no video, but: $status"
    fi
    for program in "${PROGRAMS[@]}"; do
        in_container "$program" --version >/dev/null || die "$program does not start in the image"
    done
    say "$image: $(size_mib) MiB, ready in $(((ended - begun) / 1000000)) ms, a video of $(stat --format %s "$work/video.mp4") bytes rendered"
    stop_server || die "the server did not end well when told to stop: $(server_log | tail -n 5)"
}

if has_docker; then
    tool=docker
elif command -v buildah >/dev/null && command -v debootstrap >/dev/null && ((EUID == 0)); then
    tool=buildah
    mkdir -p "$store"
    store=$(realpath "$store")
else
    tool=none
    die "neither a Docker daemon nor, as root, buildah and debootstrap: apt-get install buildah debootstrap" 69
fi
say "building with $tool"
build
smoke_test
