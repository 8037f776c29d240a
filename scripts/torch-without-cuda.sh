#!/usr/bin/env bash
# Makes PyTorch's wheel from PyPI loadable without the 4 GB of CUDA libraries it is linked with.
#
#   scripts/torch-without-cuda.sh FOLDER      FOLDER is site-packages/torch/lib
#
# On a CPU none of those libraries is ever called, but the loader wants every symbol. So each gets a
# stand-in of the same name and version that defines the symbols and does nothing. CUDA's small
# runtime library is not replaced: it is called while PyTorch loads (package nvidia-cuda-runtime).
set -euo pipefail

libraries=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# "version library" for each version of another library's symbols that is asked for.
versions() {
    readelf --version-info --wide "$libraries"/libtorch*.so "$libraries"/libc10*.so |
        awk '/ File: /{for (i = 1; i < NF; i++) if ($i == "File:") file = $(i + 1)}
             / Name: .* Flags: /{for (i = 1; i < NF; i++) if ($i == "Name:") print $(i + 1), file}' | sort -u
}

needed() {
    readelf --dynamic --wide "$libraries"/libtorch*.so |
        sed -n 's/.*(NEEDED).*\[\(lib\(cu\|nv\|nccl\).*\)\]/\1/p' | grep -v '^libcudart' | sort -u
}

# The symbols of a library that gives no versions are told by their beginning.
beginning() {
    case $1 in
        libnccl*) echo nccl ;;
        libcusparseLt*) echo cusparseLt ;;
        libcufile*) echo cuFile ;;
        *) echo 'no symbol begins like this' ;;
    esac
}

versions >"$scratch/versions"
nm --dynamic --undefined-only "$libraries"/libtorch*.so | awk 'NF == 2 {print $2}' | sort -u >"$scratch/wanted"
for library in $(needed); do
    [[ ! -e $libraries/$library ]] || continue
    version=$(awk -v library="$library" '$2 == library {print $1; exit}' "$scratch/versions")
    if [[ -n $version ]]; then
        names=$(sed -n "s/@$version\$//p" "$scratch/wanted")
    else
        names=$(grep "^$(beginning "$library")[A-Za-z0-9]*\$" "$scratch/wanted" || true)
    fi
    for name in $names; do
        echo "char ${name}[8];"
    done >"$scratch/stand-in.c"
    echo "${version:-any} { global: *; };" >"$scratch/stand-in.map"
    cc -shared -o "$libraries/$library" "$scratch/stand-in.c" \
        -Wl,-soname,"$library" -Wl,--version-script="$scratch/stand-in.map"
done
