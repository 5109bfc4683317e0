#!/usr/bin/env bash
# Moves the major tag to a release, once its programs can be downloaded: major.sh VERSION. Never back to an older one.
set -euo pipefail
version=${1:?the version, such as 1.2.3}
major=v${version%%.*}
newest=$(git ls-remote --tags --refs origin "$major.*" | sed 's|.*refs/tags/||' | sort -V | tail -n 1)
if [ "$newest" != "v$version" ]; then
    echo "$major stays: $newest is newer than v$version" >&2
    exit 0
fi
git tag -f "$major" "v$version" >/dev/null
git push -q --force origin "refs/tags/$major"
