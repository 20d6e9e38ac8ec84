#!/usr/bin/env bash
# topics.sh BOOTSTRAP [COMMAND-CONFIG]: makes the topics of scanhound as its programs would, by kafka-topics.sh
# (KAFKA_TOPICS names it, else it is looked for in PATH). PARTITIONS (12) bounds how many detectors share the work and
# cannot be changed later without scanhound reshard; REPLICAS (3) and MIN_ISR (2) fit a cluster of three.
set -euo pipefail
bootstrap=${1:?bootstrap server}
topics=("${KAFKA_TOPICS:-kafka-topics.sh}" --bootstrap-server "$bootstrap" ${2:+--command-config "$2"} --create --if-not-exists
  --replication-factor "${REPLICAS:-3}" --config min.insync.replicas="${MIN_ISR:-2}")
partitions=${PARTITIONS:-12}

# topic NAME PARTITIONS SETTING...
topic() {
  local name=$1 n=$2 configs=()
  shift 2
  for c; do configs+=(--config "$c"); done
  "${topics[@]}" --topic "$name" --partitions "$n" "${configs[@]}"
}

# 52 h: more than the window of 48.
topic scanhound.flows.v1 "$partitions" cleanup.policy=delete retention.ms=187200000
topic scanhound.alerts.v1 "$partitions" cleanup.policy=delete retention.ms=187200000
topic scanhound.templates.v1 1 cleanup.policy=compact
topic scanhound.state.v1 "$partitions" cleanup.policy=compact max.message.bytes=33554432 segment.bytes=67108864 segment.ms=600000 \
  min.cleanable.dirty.ratio=0.2 max.compaction.lag.ms=3600000 delete.retention.ms=60000
