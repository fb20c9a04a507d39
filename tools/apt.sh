# shellcheck shell=bash
# Sourced: how the scripts beside this one speak ($speaker begins each line), become root, and install Debian's packages. Root, or
# somebody whom sudo asks for no password.
export DEBIAN_FRONTEND=noninteractive

say() { printf '%s: %s\n' "${speaker:?}" "$*"; }

fail() {
  printf '%s: %s\n' "${speaker:?}" "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n -E "$@"; fi
}

may_be_root() { as_root true 2>/dev/null; }

# apt and the daemon bear one of us at a time.
wait_for_the_others() {
  exec 9<"$(dirname "${BASH_SOURCE[0]}")"
  flock 9
}

apt_is_fresh=false

refresh_apt() {
  if ! $apt_is_fresh; then
    as_root apt-get update -qq -o Acquire::Retries=3
    apt_is_fresh=true
  fi
}

# apt_install PACKAGE|OPTION...
apt_install() {
  refresh_apt
  as_root apt-get install -qq -y --no-install-recommends -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600 "$@" >/dev/null
}
