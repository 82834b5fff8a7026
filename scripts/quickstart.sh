#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# From a clone to text: installs what is missing (Debian 12), builds the tools, compiles examples/rwkv7.mlir for this CPU and
# streams text from the small model. The first run takes minutes, later ones seconds.
#   scripts/quickstart.sh [PROMPT]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

prompt=${1-And the king said unto}

step() { printf '== %s\n' "$*"; }

step "Packages"
install_packages "${build_packages[@]}"

step "Build (in build/)"
if [ ! -e build/build.ninja ]; then
  cmake --preset default -DRWKV_BUILD_TESTS=OFF >build-configure.log || {
    cat build-configure.log >&2
    exit 1
  }
  mv build-configure.log build/configure.log
fi
cmake --build build --parallel "$(nproc)" --target rwkv-opt rwkv-run

model=examples/models/rwkv7-small.safetensors
step "Compile examples/rwkv7.mlir for this CPU and $model"
build/bin/rwkv-run generate "$model" --prompt "$prompt" --tokens 0 # the pack stays in rwkv-run's cache

run=(build/bin/rwkv-run generate "$model" --prompt "$prompt" --tokens 400 --temperature 0.8 --seed 1)
step "Generate text:$(printf ' %q' "${run[@]}")"
printf '%s' "$prompt"
"${run[@]}"
[ -t 1 ] || echo
