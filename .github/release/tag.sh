#!/usr/bin/env bash
# Makes the commit of a release, which differs from the one that is checked out by the programs' digests alone, and tags it: tag.sh VERSION
# FOLDER. Pushes the tag to `origin`, and only if there is none of that name.
set -euo pipefail
version=${1:?the version, such as 1.2.3} folder=${2:?the folder of the programs}
table=$("$(dirname "$0")/checksums.sh" "$version" "$folder")
printf '%s\n' "$table" >action/checksums.json
git add action/checksums.json
git commit -q -m "Release $version"
git tag "v$version"
git push -q origin "refs/tags/v$version"
