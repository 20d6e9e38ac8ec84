#!/usr/bin/env bash
# profile.sh: measures where the programs spend their time, for the compiler (tools/release.pgo,
# see "make build"). One profile for all programs: detection alone, and the whole pipeline.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# profiled NAME PACKAGE BENCHMARKS TIME
profiled() {
  go test -o "$work/$1.test" -run '^$' -bench "$3" -benchtime "$4" -cpuprofile "$work/$1.prof" "$2"
}

profiled detect ./detect 'Large$|LargeSliding|LargeScanners/share=(1|3)%' 2x
profiled orient ./detect/orient 'Orient' 2s
profiled pipeline ./cmd/scanhound 'Pipeline/embedded/(snappy|none)$' 4000000x
go tool pprof -proto "$work"/*.prof >"$work/all.pgo"
mv "$work/all.pgo" tools/release.pgo
