#!/usr/bin/env bash
# Runs tiers of tests and counts each: hermetic, local, testbed (see tests/it/tiers.rs); all when none is named.
#
# The testbed's parts are built while Rust compiles; no test runs before they are, for a test of real processes on a machine
# that is busy building tells little.
set -euo pipefail
cd "$(dirname "$0")/.."
tiers=${*:-hermetic local testbed}
cargo=${CARGO:-cargo}
# Tests run in other folders than this one: what is given by a relative path is made whole here, once.
case ${TIDEGATE_TESTBED:-/} in /*) ;; *) export TIDEGATE_TESTBED=$PWD/$TIDEGATE_TESTBED ;; esac
home=${TIDEGATE_TESTBED:-${HOME:?HOME is not set}/.cache/tidegate-testbed}
logs=$(mktemp -d)
installer=
testbed=
broken=()

finish() {
    local code=$?
    trap - EXIT
    if [ -n "$installer" ] && kill -0 "$installer" 2>/dev/null; then
        kill -- "-$installer" && wait "$installer" || true
    fi
    [ -z "$testbed" ] || "$testbed" down || code=1
    rm -rf "$logs"
    exit "$code"
}
trap finish EXIT

wants() { [[ " $tiers " == *" $1 "* ]]; }

for tier in $tiers; do
    case $tier in
    hermetic | local | testbed) ;;
    *)
        echo "there is no tier \`$tier\`; there are hermetic, local and testbed" >&2
        exit 2
        ;;
    esac
done

# One tier's run of cargo test; what it prints is shown, and counted at the end. A failure does not keep the rest from running:
# one run tells all that is wrong.
tier() {
    local name=$1 began=$SECONDS
    shift
    printf '\n== tier %s: cargo test %s\n' "$name" "$*"
    "$cargo" test "$@" 2>&1 | tee -a "$logs/$name" || broken+=("$name: cargo test $*")
    printf '== %d s\n' $((SECONDS - began))
}

# Whatever a test belongs to that stands among those of another tier.
export TIDEGATE_TIERS=$tiers

if wants testbed; then
    tests/testbed/install.sh check
    mkdir -p "$home/log"
    # In a group of its own, so that it can be ended with the compilers that it starts.
    setsid tests/testbed/install.sh >"$home/log/install.log" 2>&1 &
    installer=$!
fi

"$cargo" build --workspace
"$cargo" test --workspace --no-run

if [ -n "$installer" ]; then
    echo "waiting for the testbed's parts; $home/log/install.log tells which is being built"
    wait "$installer" && installer= || {
        code=$?
        tail -n 40 "$home/log/install.log" >&2
        exit "$code"
    }
    tail -n 1 "$home/log/install.log"
fi

if wants hermetic; then
    tier hermetic --workspace --lib --bins
    # Most of them wait more than they compute.
    tier hermetic --test it -- --test-threads=4 --skip real:: --skip parts:: --skip kubernetes::
    tier hermetic --workspace --doc
fi
if wants local; then
    tier local --test it real::
fi
if wants testbed; then
    # One run of this tier at a time on a machine: its tests start and end the one testbed that there can be. Only this shell has
    # the lock, not what it starts: a testbed that outlives a killed run must not keep the next one waiting.
    exec 8</
    flock -n 8 || { echo "another run of the tier testbed is under way; waiting for it" && flock 8; }
    # Of the whole workspace, as above: for one package alone its dependencies would be built with other features, once more.
    testbed=$("$cargo" build --quiet --workspace --message-format=json |
        python3 -c 'import json, sys; print([one["executable"] for one in map(json.loads, sys.stdin)
            if one.get("executable") and one["target"]["name"] == "testbed"][-1])')
    tier testbed --workspace --test github --test life 8<&-
    "$testbed" up >/dev/null 8<&-
    tier testbed --test it -- parts:: 8<&-
    # These put load on what they deploy, on several stages at once each: two at a time keep two cores busy. What disturbs the
    # cluster itself has it for its own.
    tier testbed --test it -- --test-threads=2 kubernetes:: --skip kubernetes::disturbed:: 8<&-
    tier testbed --test it -- --test-threads=1 kubernetes::disturbed:: 8<&-
fi

echo
if [ ${#broken[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${broken[@]}" >&2
    # What each one says for itself, without the way to it: the end of a log is what is read first.
    awk '/^---- .* stdout ----$/ { left = 14 } /^stack backtrace:$|^note: run with/ { left = 0 } left-- > 0 { print substr($0, 1, 1500) }' \
        "$logs"/* >&2
    cat "$logs"/* | sed -n 's/^test \(.*\) \.\.\. FAILED$/    \1/p' >&2
fi
# What was asked for, and yet left out, was shown by nobody.
left=$(cat "$logs"/* | sed -n 's/^left out: \(.*\) (tier `\([a-z]*\)`;.*/\2 \1/p' | while read -r name test; do
    ! wants "$name" || printf '    %s (%s)\n' "$test" "$name"
done)
[ -z "$left" ] || { printf 'left out, though asked for:\n%s\n' "$left" >&2 && broken+=("left out"); }
total=0
for tier in $tiers; do
    count=$(sed -n 's/^test result: [a-zA-Z]*\. \([0-9]*\) passed.*/\1/p' "$logs/$tier" | awk '{ sum += $1 } END { print sum + 0 }')
    printf 'tier %-9s %s passed\n' "$tier" "$count"
    # A filter that fits nothing would pass, and prove nothing.
    [ "$count" -gt 0 ] || { echo "tier $tier ran no test" >&2 && exit 1; }
    total=$((total + count))
done
failed=$(cat "$logs"/* | grep -c '^test .* \.\.\. FAILED$' || true)
printf 'all of it took %d min %d s\n' $((SECONDS / 60)) $((SECONDS % 60))
printf '%s passed, %s failed\n' "$total" "$failed"
[ ${#broken[@]} -eq 0 ]
