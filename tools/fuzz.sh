#!/usr/bin/env bash
# fuzz.sh [TIME]: runs each fuzz target of every package for TIME (30s), one after the other.
# What it finds, Go writes into the package's testdata/fuzz: commit it with the repair.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time=${1:-30s}

# targets prints "package target" lines. go test -list names a package's targets above the line
# that closes the package: "ok  	package	0.1s", or "?   	package	[no test files]".
targets() {
  go test -list '^Fuzz' ./... | awk '
    /^Fuzz[A-Za-z0-9_]*$/ { names[++n] = $1; next }
    { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }'
}

list=$(targets)
if [[ -z $list ]]; then
  echo "fuzz: no fuzz target in any package" >&2
  exit 1
fi
failed=()
while read -r package target; do
  echo "== $package $target"
  go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" </dev/null || failed+=("$package $target")
done <<<"$list"
if ((${#failed[@]} > 0)); then
  printf 'fuzz: %s failed\n' "${failed[@]}" >&2
  exit 1
fi
