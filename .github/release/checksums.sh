#!/usr/bin/env bash
# Writes the table of the programs' digests, by which the action knows what it downloads: checksums.sh VERSION FOLDER > action/checksums.json
# FOLDER holds tidegate-linux-x64 and tidegate-linux-arm64.
set -euo pipefail
version=${1:?the version, such as 1.2.3} folder=${2:?the folder of the programs}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "\`$version\` is no version such as 1.2.3" >&2 && exit 2; }
digest() {
    [ -f "$folder/tidegate-$1" ] || { echo "there is no $folder/tidegate-$1" >&2 && exit 1; }
    sha256sum "$folder/tidegate-$1" | cut -d ' ' -f 1
}
x64=$(digest linux-x64)
arm64=$(digest linux-arm64)
cat <<END
{
  "version": "$version",
  "sha256": {
    "linux-x64": "$x64",
    "linux-arm64": "$arm64"
  }
}
END
