#!/bin/bash
# Builds the hosts' image and, asked for "mando", the controller's too, under names of this checkout's own. The controller's
# ansible-core is the one of requirements.lock, fetched by this machine's pip with this machine's settings: the container needs
# no way to an index.
set -euo pipefail
cd "$(dirname "$0")/../.."
name=${RUNBOOK_NAME:-runbook}
mkdir -p .cache/mando
exec 9>.cache/images.lock
flock 9 # scenarios begin at the same time

# An image that a new one takes the name from would stay without any.
build() {
  local tag=$1 before
  shift
  before=$(docker image ls --quiet --no-trunc "$tag")
  docker build --quiet --force-rm --tag "$tag" "$@"
  if [ -n "$before" ] && [ "$(docker image inspect --format '{{len .RepoTags}}' "$before")" = 0 ]; then
    docker image rm "$before" >/dev/null || echo "$before: todavía en uso"
  fi
}

build "$name-host" molecule/shared
if [ "${1:-}" = mando ]; then
  tools/prepare_docker.sh debian:trixie-slim trixie
  pip download -qq --dest .cache/mando --only-binary=:all: --python-version 3.13 --constraint requirements.lock \
    --platform "manylinux2014_$(uname -m)" --platform "manylinux_2_28_$(uname -m)" ansible-core
  build "$name-mando" --file molecule/ssh/Dockerfile .cache/mando
fi
