#!/usr/bin/env bash
# acls.sh BOOTSTRAP [COMMAND-CONFIG]: what each program of scanhound needs in Kafka, and no more, by kafka-acls.sh
# (KAFKA_ACLS names it, else it is looked for in PATH). Users are those of SASL; for mutual TLS set PREFIX to what
# their certificates begin with, such as PREFIX=CN=. The topics are made by topics.sh, so no program needs Create.
set -euo pipefail
bootstrap=${1:?bootstrap server}
acls=("${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$bootstrap" ${2:+--command-config "$2"} --add)
flows=scanhound.flows.v1 alerts=scanhound.alerts.v1 state=scanhound.state.v1 templates=scanhound.templates.v1

# allow PROGRAM KIND NAME OPERATION...
allow() {
  local who=${PREFIX:-}scanhound-$1 kind=$2 name=$3 operations=()
  shift 3
  for o; do operations+=(--operation "$o"); done
  "${acls[@]}" --allow-principal "User:$who" "${operations[@]}" "--$kind" "$name"
}

allow ingest topic $flows Write Describe DescribeConfigs
allow ingest topic $templates Read Write Describe DescribeConfigs
allow ingest topic $alerts Read Describe DescribeConfigs
allow detector topic $flows Read Describe DescribeConfigs
allow detector topic $alerts Read Write Describe DescribeConfigs
allow detector topic $state Read Write Describe DescribeConfigs
allow detector group scanhound-detector.v1 Read
allow alerter topic $alerts Read Describe DescribeConfigs
allow alerter group scanhound-alerter.v1 Read
