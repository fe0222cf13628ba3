#!/bin/sh
# Run fuzz targets one after another: run.sh BUILD SECONDS NAME ...
# Each starts from tests/fuzz/corpus/NAME (not written to) and what earlier runs found, in BUILD/corpus/NAME.
# Logs are in BUILD/logs, inputs that crash in BUILD/findings.  The last line is "N passed, N failed, 0 skipped".
set -u
build=$1 seconds=$2
shift 2
passed=0 failed=0
mkdir -p "$build/logs" "$build/findings"
for name in "$@"; do
    found=$build/corpus/$name seeds=tests/fuzz/corpus/$name log=$build/logs/$name.log
    mkdir -p "$found"
    [ -d "$seeds" ] || seeds=
    eval "args=\${FUZZ_ARGS_$name:-}"
    # shellcheck disable=SC2086  # args and seeds are lists
    if "$build/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/findings/$name-" $args "$found" $seeds >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "  fuzz_$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, no finding"
    else
        failed=$((failed + 1))
        tail -n 40 "$log"
        echo "  fuzz_$name: FAILED, see $log and $build/findings"
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
