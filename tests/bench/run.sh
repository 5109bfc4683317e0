#!/usr/bin/env bash
# Measures everything, or the named parts, and writes the results.
#
# tests/bench/run.sh [PART...]    parts: machine program judge demo takeover proxy analysis
#
# docs/bench-results.json holds one JSON object a line; each says its part, when it was measured, at which commit, and the
# machine's load (the average of the minute before; a quiet machine is near 0). A part that is measured again replaces its old
# lines, so a figure that was disturbed can be taken again alone. At the end the table is printed, and put into
# docs/benchmarks.md.
#
# Environment: RESULTS (docs/bench-results.json); DEMO_RUNS, DEMO_FAST_RUNS, TAKEOVER_RUNS (5), VERSION_RUNS (500),
# ALARM_TRIALS (10000), ANALYSIS_TRIALS (1000); those of proxy_vs_nginx.sh; TIDEGATE, SUITE, PROXY_BENCH, JUDGE_BENCH (programs that are built already)
# and COMMIT (the commit that they were built from).
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin"

parts=("$@")
if ((${#parts[@]} == 0)); then parts=(machine program judge demo takeover proxy analysis); fi
results=${RESULTS:-docs/bench-results.json}

built() { # built NAME COMMAND…: the path of the program of that name that this command of cargo builds
  local name=$1; shift
  cargo "$@" --quiet --message-format=json-render-diagnostics |
    sed -n "s/.*\"name\":\"$name\".*\"executable\":\"\([^\"]*\)\".*/\1/p" | tail -1
}
bench() { built "$1" bench --no-run --bench "$1"; }

revision() { # the commit, and whether anything but the documents differs from it
  git rev-parse --short HEAD 2>/dev/null || echo none
  [[ -z $(git status --porcelain -- . ':!docs' 2>/dev/null) ]] || echo -dirty
}
commit=${COMMIT:-$(revision | tr -d '\n')}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "building" >&2
TIDEGATE=${TIDEGATE:-$(built tidegate build --release --bin tidegate)}
SUITE=${SUITE:-$(bench suite)}
if [[ " ${parts[*]} " == *" proxy "* ]]; then PROXY_BENCH=${PROXY_BENCH:-$(bench proxy)}; fi
if [[ " ${parts[*]} " == *" analysis "* ]]; then JUDGE_BENCH=${JUDGE_BENCH:-$(bench judge)}; fi
export TIDEGATE PROXY_BENCH=${PROXY_BENCH:-} JUDGE_BENCH=${JUDGE_BENCH:-}

measure() { # measure PART: its results on standard output
  case $1 in
    proxy)
      tests/bench/proxy_vs_nginx.sh |
        sed -e '/"of":/s/^{/{"measure":"proxy-ratio","command":"tests\/bench\/proxy_vs_nginx.sh",/' \
          -e '/"router":/s/^{/{"measure":"proxy-run",/'
      ;;
    analysis)
      "$JUDGE_BENCH" "${ANALYSIS_TRIALS:-1000}" |
        sed 's/"measure":"/"command":"cargo bench --bench judge",&analysis: /'
      ;;
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
"$SUITE" --table "$results" | tee "$work/table"
if [[ $results == docs/bench-results.json ]]; then
  awk -v table="$work/table" '
    /^<!-- figures: end -->$/ { inside = 0 }
    !inside
    /^<!-- figures: begin -->$/ { print ""; while ((getline line < table) > 0) print line; print ""; inside = 1 }
  ' docs/benchmarks.md >"$work/page"
  cp "$work/page" docs/benchmarks.md
fi
