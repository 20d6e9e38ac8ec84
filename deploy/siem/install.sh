#!/usr/bin/env bash
# install.sh elastic|opensearch URL [curl options]: the pipeline, the template and the life of the index of that folder.
# It may be run again: what is there is replaced. Documents go to the data stream logs-scanhound.alert-default in
# Elasticsearch, to scanhound-alerts in OpenSearch.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kind=${1:?give elastic or opensearch} url=${2:?give its URL}
shift 2
options=("$@")

# put PATH FILE: an answer that is not 2xx is shown, and ends it.
put() {
  curl --silent --show-error --fail-with-body -X PUT -H 'Content-Type: application/json' \
    --data-binary "@$here/$kind/$2" "${options[@]}" "${url%/}/$1"
  echo
}

put _ingest/pipeline/scanhound-alerts ingest-pipeline.json
case $kind in
  elastic) put _ilm/policy/scanhound-alerts ilm-policy.json ;;
  opensearch)
    # Without the plugin index-management nothing is deleted by itself.
    plugins=$(curl --silent --show-error --fail-with-body "${options[@]}" "${url%/}/_cat/plugins?h=component")
    if [[ $plugins == *index-management* ]]; then
      # To replace a policy its number is wanted: one that is there stays.
      curl --silent --fail --output /dev/null "${options[@]}" "${url%/}/_plugins/_ism/policies/scanhound-alerts" ||
        put _plugins/_ism/policies/scanhound-alerts ism-policy.json
    else
      echo "install: no index-management here: alerts are kept for ever" >&2
    fi
    ;;
esac
put _index_template/scanhound-alerts index-template.json
