#!/bin/bash
# run.sh SCENARIO: however it ends, by Ctrl-C and kill -9 too, nothing of it stays. clean.sh, in a session of its own, waits for
# the end of its input, which comes with the last breath of all that hold the pipe, and takes away what Molecule could not.
set -euo pipefail
scenario=$1
export RUNBOOK_NAME=${RUNBOOK_NAME:-runbook}
folder=$(mktemp -d /tmp/escenario.XXXXXX) # short: it holds the sockets of SSH's connections
exec 8> >(exec setsid env -u RUNBOOK_NAME "$(dirname "$0")/clean.sh" "$RUNBOOK_NAME-$scenario" "$folder")
cleaner=$!
trap 'exec 8>&-; wait "$cleaner"' EXIT
trap 'exit 130' INT TERM HUP
# What a machine that went down has left; Molecule's own way to ask takes seconds.
"$(dirname "$0")/remove.sh" "$RUNBOOK_NAME-$scenario"

# For whoever looks for the reason: each step's output and dump, and the server's log, in .molecule/<container>.
keep() {
  local container found
  for container in $(docker ps --all --format '{{.Names}}' --filter "name=^$RUNBOOK_NAME-$scenario(-|\$)"); do
    rm -rf ".molecule/$container"
    mkdir -p ".molecule/$container"
    for found in /var/lib/cycle /var/log/postgresql; do
      docker cp "$container:$found" ".molecule/$container/" >/dev/null 2>&1 || true # not every host has both
    done
  done
}

MOLECULE_EPHEMERAL_DIRECTORY=$folder molecule test --destroy=never --scenario-name "$scenario" || {
  code=$?
  keep
  exit "$code"
}
