#!/usr/bin/env bash
# check-shell.sh: bash -n over every shell script of the tree, and shellcheck where there is one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mapfile -t scripts < <(find . \( -name .git -o -name .cache -o -name node_modules \) -prune -o \
  -type f \( -name '*.sh' -o -path ./.ci/run \) -print | sort)
own=() # those that are run; the others are sourced, and shellcheck follows the source lines to them
for s in "${scripts[@]}"; do
  bash -n "$s"
  if [[ $(head -c2 "$s") == '#!' ]]; then own+=("$s"); fi
done
if command -v shellcheck >/dev/null; then
  shellcheck -x -P SCRIPTDIR "${own[@]}"
else
  echo "check: no shellcheck here; bash -n was all" >&2
fi
