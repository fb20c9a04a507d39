#!/bin/sh
# Builds the hosts' image and the controller's. Its ansible-core is the one of requirements.lock, fetched by this machine's pip
# with this machine's settings: the container needs no way to an index.
set -eu
cd "$(dirname "$0")/../.."
wheels=.cache/mando
docker build --quiet --tag tinkubot-migracion-molecule molecule/shared
tools/prepare_docker.sh debian:trixie-slim trixie
pip download -qq --dest "$wheels" --only-binary=:all: --python-version 3.13 --constraint requirements.lock \
  --platform "manylinux2014_$(uname -m)" --platform "manylinux_2_28_$(uname -m)" ansible-core
docker build --quiet --tag tinkubot-migracion-mando --file molecule/ssh/Dockerfile "$wheels"
