#!/usr/bin/env bash
# resend.sh FILE URL [curl options]: gives a webhook what it refused and dead-letters kept in FILE, one document a request.
# The alerter goes on meanwhile, with a new FILE. What is refused again stays in FILE.again, and the exit code is 1.
# SECRET_FILE: key of the signature. CONTENT_TYPE: application/json for a template, text/plain for CEF.
# Stopped in the middle, it begins anew with all of FILE.sending: documents come at least once.
set -euo pipefail
file=${1:?give the file of dead letters} url=${2:?give the URL of the webhook}
shift 2
options=("$@")
body=$(mktemp)
trap 'rm -f "$body"' EXIT

# signed: the headers of the signature of body, as the alerter makes them.
signed() {
  local at
  at=$(date +%s)
  echo "X-Scanhound-Timestamp: $at"
  { printf '%s.' "$at" && cat "$body"; } | python3 -c '
import hashlib, hmac, sys
key = open(sys.argv[1], "rb").read().strip()
print("X-Scanhound-Signature: sha256=" + hmac.new(key, sys.stdin.buffer.read(), hashlib.sha256).hexdigest())' "$SECRET_FILE"
}

# post LINE: is it taken now?
post() {
  local headers=("Content-Type: ${CONTENT_TYPE:-application/x-ndjson}")
  printf '%s\n' "$1" >"$body"
  if [[ -n ${SECRET_FILE:-} ]]; then
    mapfile -t -O 1 headers < <(signed)
  fi
  curl --silent --show-error --fail --retry 3 --output /dev/null "${headers[@]/#/-H}" --data-binary "@$body" "${options[@]}" "$url"
}

if [[ ! -e $file.sending ]]; then
  if [[ ! -e $file ]]; then
    echo "resend: nothing in $file" >&2
    exit 0
  fi
  mv "$file" "$file.sending"
fi
taken=0 refused=0
while IFS= read -r line; do
  if post "$line"; then
    taken=$((taken + 1))
  else
    printf '%s\n' "$line" >>"$file.again"
    refused=$((refused + 1))
  fi
done <"$file.sending"
rm "$file.sending"
echo "resend: $taken taken, $refused refused again" >&2
((refused == 0))
