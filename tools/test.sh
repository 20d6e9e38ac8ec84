#!/usr/bin/env bash
# test.sh [go test flags]: every test under the race detector, the broker suite included.
#
# The tests that want an Apache Kafka read its address from SCANHOUND_KAFKA and skip without it.
# If it is set, that broker is used; if kafka.sh has one running, that one; otherwise one is
# started for this run and stopped after it, whatever the tests say. A machine without a JRE 17+
# or mvn, or without a C compiler for -race, gets the rest and is told so. With CI=true nothing
# may be left out, and that is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# without WHAT WHY: what is not tested on this machine.
without() {
  if [[ ${CI:-} == true ]]; then
    echo "test: $1 cannot be left out in CI: $2" >&2
    exit 1
  fi
  echo "test: WITHOUT $1: $2" >&2
}

# no_kafka prints what this machine lacks to start a broker, if anything.
no_kafka() {
  local version
  # openjdk version "17.0.15" 2025-04-15 (1.8 for the old ones), maybe below what options it picked up.
  version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p') || true
  if [[ -z $version ]]; then
    echo "no java here; Apache Kafka needs a JRE 17 or newer"
  elif ((version < 17)); then
    echo "java is $version; Apache Kafka needs 17 or newer"
  elif [[ ! -f .cache/kafka/lib/pom.xml ]] && ! command -v mvn >/dev/null; then
    echo "no mvn here to fetch Apache Kafka's jars with"
  fi
}

race=(-race)
cc=$(go env CC)
if ! command -v "${cc%% *}" >/dev/null; then
  without "the race detector" "no C compiler ($cc) here"
  race=()
fi

if [[ -z ${SCANHOUND_KAFKA:-} ]]; then
  lack=$(no_kafka)
  if [[ -n $lack ]]; then
    without "the Apache Kafka suite" "$lack"
  elif ! SCANHOUND_KAFKA=$(tools/kafka/kafka.sh status); then
    # The trap comes first: a half-started broker is to go as well.
    trap 'tools/kafka/kafka.sh down' EXIT
    trap 'exit 130' INT TERM
    SCANHOUND_KAFKA=$(tools/kafka/kafka.sh up)
  fi
fi
if [[ -n ${SCANHOUND_KAFKA:-} ]]; then
  export SCANHOUND_KAFKA
  echo "test: Apache Kafka at $SCANHOUND_KAFKA" >&2
fi

# Without the cache: what runs against brokers and other programs has not been seen to pass today.
# Under -race on a small machine the tests of detection alone take more than the usual 10 minutes.
go test -count=1 -timeout 30m "${race[@]}" "$@" ./...
# arm64 has lines of assembly of its own.
if command -v qemu-aarch64-static >/dev/null; then
  GOARCH=arm64 CGO_ENABLED=0 go test -count=1 -exec qemu-aarch64-static "$@" ./detect/internal/prefetch
else
  without "the assembly of arm64" "no qemu-aarch64-static here (Debian: qemu-user-static)"
fi
# The manifests have a module of their own, so that what checks them is no part of the programs.
(cd deploy && go test -count=1 "$@" ./...)
