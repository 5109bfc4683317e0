#!/usr/bin/env bash
# Sees to it that what the benchmarks compare with is there: nginx and wrk, and ldd to look at the binary.
#
# On Debian and its kin, as root, what is missing is installed. Elsewhere it says what is missing and ends with 1.
set -euo pipefail

export PATH="$PATH:/usr/sbin:/sbin"
missing=()
for program in nginx wrk ldd; do
  command -v "$program" >/dev/null || missing+=("$program")
done
if ((${#missing[@]} == 0)); then exit 0; fi

refuse() {
  echo "the benchmarks need ${missing[*]}: $1" >&2
  exit 1
}
command -v apt-get >/dev/null || refuse "this is no Debian, so install them with your own package manager"
((EUID == 0)) || refuse "run this script as root, or install them with: sudo apt-get install ${missing[*]/ldd/libc-bin}"

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# Debian starts a service as it installs it. The benchmarks start an nginx of their own, on other ports, and leave that alone.
apt-get install -q -y --no-install-recommends "${missing[@]/ldd/libc-bin}"
for program in "${missing[@]}"; do
  command -v "$program" >/dev/null || refuse "the packages are installed, and $program is still not found in $PATH"
done
