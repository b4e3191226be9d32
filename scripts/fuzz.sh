#!/usr/bin/env bash
# Runs every fuzz target of the module for a bounded time: fuzz.sh [DURATION].
# Go fuzzes one target of one package at a time, so they are found by name.
set -euo pipefail
duration=${1:-10s}

found=$(grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort || true)
if [ -z "$found" ]; then
	echo "no fuzz targets"
	exit 0
fi
while IFS=: read -r file _ declaration; do
	target=${declaration#func }
	echo "$target in $(dirname "$file")"
	# Without a bound Go spends most of a short time minimizing what it found.
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 10x "$(dirname "$file")"
done <<<"$found"
