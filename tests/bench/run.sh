#!/usr/bin/env bash
# Measures everything, or the named parts, and writes the results.
#
# tests/bench/run.sh [PART...]    parts: machine program judge demo takeover proxy sequential
#
# docs/bench-results.json holds one JSON object a line; each says its part, when it was measured, at which commit, and the
# machine's load (the average of the minute before; a quiet machine is near 0). A part that is measured again replaces its old
# lines, so a figure that was disturbed can be taken again alone. At the end the table for docs/benchmarks.md is printed.
#
# Environment: RESULTS (docs/bench-results.json); DEMO_RUNS, DEMO_FAST_RUNS, TAKEOVER_RUNS (5), VERSION_RUNS (500),
# ALARM_TRIALS (10000); those of proxy_vs_nginx.sh; TIDEGATE, SUITE, PROXY_BENCH, JUDGE_BENCH (programs that are built already).
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin"

parts=("$@")
if ((${#parts[@]} == 0)); then parts=(machine program judge demo takeover proxy sequential); fi
results=${RESULTS:-docs/bench-results.json}

built() { # built COMMAND…: the path of the program that this command of cargo builds
  cargo "$@" --quiet --message-format=json-render-diagnostics | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1
}
bench() { built bench --no-run --bench "$1"; }

commit=$(git describe --always --dirty --exclude '*' 2>/dev/null || echo none)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "building" >&2
TIDEGATE=${TIDEGATE:-$(built build --release --bin tidegate)}
SUITE=${SUITE:-$(bench suite)}
export TIDEGATE

measure() { # measure PART: its results on standard output
  case $1 in
    proxy)
      PROXY_BENCH=${PROXY_BENCH:-$(bench proxy)} tests/bench/proxy_vs_nginx.sh |
        sed -e '/"of":/s/^{/{"measure":"proxy-ratio","command":"tests\/bench\/proxy_vs_nginx.sh",/' \
          -e '/"router":/s/^{/{"measure":"proxy-run",/'
      ;;
    sequential) "${JUDGE_BENCH:-$(bench judge)}" "${SEQUENTIAL_TRIALS:-2000}" | sed 's/"measure":"/&sequential: /' ;;
    *) "$SUITE" "$1" ;;
  esac
}

touch "$results"
for part in "${parts[@]}"; do
  echo "measuring $part" >&2
  load=$(cut -d' ' -f1 /proc/loadavg)
  measure "$part" >"$work/new"
  mark="{\"part\":\"$part\","
  { grep -vF "$mark" "$results" || true
    sed "s/^{/$mark\"at\":\"$(date -u +%FT%TZ)\",\"commit\":\"$commit\",\"load\":$load,/" "$work/new"; } >"$work/all"
  cp "$work/all" "$results"
done
"$SUITE" --table "$results"
