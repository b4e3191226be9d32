#!/usr/bin/env bash
# Runs the benchmarks of every package that has some, one package after the
# other, measures changes over HTTP and the start of the program, and repeats the lines that state a
# ratio or a target at the end. What fails does not keep the rest from running,
# and nothing may take longer than its time. BENCHTIME=1x runs each benchmark
# once, to see that all of them run.
set -euo pipefail
log=$(mktemp)
programs=$(mktemp -d)
trap 'rm -rf "$log" "$programs"' EXIT
failed=0

# measure runs a command for so long at most.
measure() {
	timeout --foreground "$@" | tee -a "$log" || {
		echo "failed or took longer than $1: ${*:2}" >&2
		failed=1
	}
}

packages=$(grep -rlE --include='*_test.go' --exclude-dir=node_modules '^func Benchmark' . | xargs -r -n1 dirname | sort -u)
if [ -z "$packages" ]; then
	echo "no benchmarks"
	exit 0
fi
for package in $packages; do
	measure 16m go test -run '^$' -bench . -benchmem -benchtime "${BENCHTIME:-1s}" -timeout 15m "$package"
done
# Built first: a signal that ends `go run` does not reach what it runs.
go build -o "$programs" ./scripts/introspectionratio ./scripts/writeratio ./scripts/startup ./scripts/withpg
# Introspections, compared with the barest handler.
measure 10m "$programs/introspectionratio" -half-load
measure 10m "$programs/withpg" -- "$programs/introspectionratio" -postgres -half-load
# Changes a second, against the database's own.
measure 10m "$programs/writeratio"
measure 5m "$programs/startup"
echo
grep -iE 'ratio|target' "$log" || true
exit "$failed"
