#!/usr/bin/env bash
# Runs the benchmarks of every package that has some, one package after the
# other, measures changes over HTTP and the start of the program, and repeats the lines that state a
# ratio or a target at the end.
set -euo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT

packages=$(grep -rlE --include='*_test.go' '^func Benchmark' . | xargs -r -n1 dirname | sort -u)
if [ -z "$packages" ]; then
	echo "no benchmarks"
	exit 0
fi
# shellcheck disable=SC2086 # one argument per package
go test -run '^$' -bench . -benchmem -p 1 $packages | tee "$log"
# The introspection comparison, when its program is there.
if [ -d scripts/introspectionratio ]; then
	go run ./scripts/introspectionratio -half-load | tee -a "$log"
	go run ./scripts/withpg -- go run ./scripts/introspectionratio -postgres -half-load | tee -a "$log"
fi
# Changes a second, against the database's own.
go run ./scripts/writeratio | tee -a "$log"
failed=0
go run ./scripts/startup | tee -a "$log" || failed=1
echo
grep -iE 'ratio|target|half load' "$log" || true
exit "$failed"
