#!/bin/bash
# remove.sh CONTAINERS: takes away the containers of that name.
set -euo pipefail
docker ps --all --quiet --filter "name=^$1(-|\$)" | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
