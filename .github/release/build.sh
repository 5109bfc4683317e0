#!/usr/bin/env bash
# Builds the static program, without anything of the machine in it; the workflow `release` compares two builds: build.sh OUTPUT
set -euo pipefail
output=${1:?where the program goes}
# The folder has no space in its name: the build of the allocator refuses one.
cd "$(dirname "$0")/../.."
target=$(rustc -vV | sed -n 's/^host: //p')
# Folders of this machine would be in the program, for panics tell where they are. Flags are parted by a character that is in no path.
registry=${CARGO_HOME:-$HOME/.cargo}
flags=(-C target-feature=+crt-static "--remap-path-prefix=$PWD=/tidegate" "--remap-path-prefix=$registry=/cargo")
# Kernels for arm64 differ in the size of their pages: the allocator is made for the largest, and then runs on all.
case $target in aarch64-*) export JEMALLOC_SYS_WITH_LG_PAGE=16 ;; esac
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && printf '%s' "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS
cargo build --release --locked --target "$target"
install -m 755 "${CARGO_TARGET_DIR:-target}/$target/release/tidegate" "$output"
