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
MOLECULE_EPHEMERAL_DIRECTORY=$folder molecule test --scenario-name "$scenario"
