#!/usr/bin/env bash
# Leaves Docker Engine, docker compose 2 and a Debian base image ready on a fresh Debian 12 or 13, with or without systemd.
# Where an engine answers and compose 2 is there, any Linux will do. Installing takes root, or somebody whom sudo asks for no
# password. A second run finds everything and changes nothing.
#
#   tools/prepare_docker.sh [IMAGE] [SUITE]      default: debian:bookworm-slim bookworm
#   tools/prepare_docker.sh --ask                changes nothing: fails, and says what to do, where it could not do its work
#
# It installs packages, writes /etc/apt/{sources.list.d,preferences.d}/tinkubot-compose* where compose 2 has to come from
# trixie, and starts a daemon that outlives it; its log is /var/log/tinkubot-dockerd.log.
set -euo pipefail

speaker=docker
# shellcheck source=tools/apt.sh
. "$(dirname "$0")/apt.sh"

image=${1:-debian:bookworm-slim}
suite=${2:-bookworm}
daemon_log=/var/log/tinkubot-dockerd.log

# --- packages

only_on_debian() {
  [ "${ID:-}" = debian ] || fail "falta $1, y solo sé prepararlo en Debian 12 o 13; esto es ${PRETTY_NAME:-otra cosa}"
}

install_packages() {
  only_on_debian 'Docker con compose 2'
  say "instalando $*"
  apt_install "$@" || fail "apt no da lo que falta: sin Docker no hay pruebas en contenedores; las demás son make test-fast"
}

candidate_of() { apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" { print $2 }'; }

# Where this machine gets its Debian from, so that everything else comes from there too.
mirror() {
  local found
  found=$(apt-get indextargets --format "\$(RELEASE) \$(REPO_URI)" 'Created-By: Packages' 2>/dev/null |
    awk -v release="$VERSION_CODENAME" '$1 == release && !seen { seen = 1; print $2 }')
  if [ -z "$found" ]; then
    found=$(find /etc/apt/sources.list /etc/apt/sources.list.d -type f -exec cat {} + 2>/dev/null |
      awk '/^(deb |URIs:)/ { for (i = 2; i <= NF; i++) if (!seen && $i ~ /^https?:/ && $i !~ /security/) { seen = 1; print $i } }')
  fi
  [ -n "$found" ] || fail 'no hay ningún espejo de Debian en /etc/apt/sources*'
  printf '%s\n' "${found%/}"
}

ensure_engine() {
  if ! command -v dockerd >/dev/null; then
    install_packages docker.io iptables ca-certificates
  fi
  # from Debian 13 on the client is a package of its own
  command -v docker >/dev/null || install_packages docker-cli
}

ensure_compose() {
  docker compose version >/dev/null 2>&1 && return
  only_on_debian 'Docker con compose 2'
  refresh_apt
  case $(candidate_of docker-compose) in
  2.*) install_packages docker-compose ;;
  *) compose_from_trixie ;;
  esac
  docker compose version >/dev/null 2>&1 || fail 'docker compose 2 está instalado y no responde'
}

# Debian 12 has version 1. The pin keeps every other package where it is.
compose_from_trixie() {
  as_root tee /etc/apt/sources.list.d/tinkubot-compose.sources >/dev/null <<END
Types: deb
URIs: $(mirror)
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
  as_root tee /etc/apt/preferences.d/tinkubot-compose >/dev/null <<END
Package: *
Pin: release n=trixie
Pin-Priority: 100
END
  apt_is_fresh=false
  install_packages docker-compose/trixie
}

# --- the daemon

answers() { docker info >/dev/null 2>&1; }

runs() { as_root docker info >/dev/null 2>&1; }

ensure_daemon() {
  runs && return
  if [ -d /run/systemd/system ] && as_root systemctl start docker 2>/dev/null; then
    sleep 1
    runs && return
  fi
  ensure_cgroups
  start_daemon || start_daemon --storage-driver=vfs || start_without_nftables || {
    tail -n 20 "$daemon_log" >&2
    fail 'el motor no arranca'
  }
}

# A machine without systemd may have mounted no control groups; the kernel may already use those of version 1.
ensure_cgroups() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ] || [ -d /sys/fs/cgroup/devices ]; then return; fi
  if ! awk '!/^#/ && $2 > 0 { used = 1 } END { exit !used }' /proc/cgroups; then
    as_root mount -t cgroup2 cgroup2 /sys/fs/cgroup && return
  fi
  as_root mount -t tmpfs cgroup /sys/fs/cgroup
  local controller
  awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups | while read -r controller; do
    as_root mkdir -p "/sys/fs/cgroup/$controller"
    as_root mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller" || as_root rmdir "/sys/fs/cgroup/$controller"
  done
}

# The daemon gets no stream of ours, nor a lock: who waits for their end would wait for ever.
start_daemon() {
  say "arrancando el motor${*:+ $*}"
  as_root rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
  # shellcheck disable=SC2016  # for the inner shell
  as_root setsid sh -c 'log=$1; shift; exec nohup dockerd "$@" >"$log" 2>&1' sh "$daemon_log" "$@" </dev/null >/dev/null 2>&1 8>&- 9>&- &
  local started=$! tries
  for tries in $(seq 60); do
    runs && return
    as_root kill -0 "$started" 2>/dev/null || [ "$tries" -lt 4 ] || return 1
    sleep 0.5
  done
  return 1
}

start_without_nftables() {
  as_root update-alternatives --set iptables /usr/sbin/iptables-legacy >/dev/null 2>&1 || return 1
  start_daemon || start_daemon --storage-driver=vfs
}

# --- whether it can be had

# Who was made a member of the group is one from the next login on.
ask() {
  docker compose version >/dev/null 2>&1 || only_on_debian 'Docker con compose 2'
  answers || [ "$(id -u)" -eq 0 ] || { may_be_root && id -nG | grep -qw docker; } ||
    fail "ningún motor responde a $(id -un), que para tenerlo ha de ser root, o del grupo docker y con sudo sin contraseña." \
      "Como root: tools/prepare_docker.sh && usermod -aG docker $(id -un); luego repita en una sesión nueva." \
      "No empezó ninguna prueba; las que no necesitan contenedores son make test-fast"
}

# --- the base image

ensure_image() {
  docker image inspect "$image" >/dev/null 2>&1 && return
  if timeout 60 docker pull -q "$image" >/dev/null 2>&1; then
    say "imagen $image descargada"
  else
    say "ningún registro da $image: se hace con debootstrap"
    build_image
  fi
}

build_image() {
  only_on_debian "la imagen $image"
  command -v debootstrap >/dev/null || install_packages debootstrap
  local root log
  root=$(as_root mktemp -d /var/tmp/tinkubot-raiz.XXXXXX)
  log=$(mktemp)
  # shellcheck disable=SC2064  # the paths of now
  trap "as_root rm -rf --one-file-system '$root' '$log'" EXIT
  if ! as_root debootstrap --variant=minbase --include=ca-certificates,python3 "$suite" "$root" "$(mirror)" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail 'debootstrap no pudo hacer la imagen'
  fi
  as_root find "$root/var/cache/apt/archives" "$root/var/lib/apt/lists" "$root/usr/share/doc" -mindepth 1 -delete
  as_root tar -C "$root" --numeric-owner --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' -c . |
    docker import --change 'CMD ["bash"]' \
      --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$image" >/dev/null
}

# shellcheck disable=SC1091
[ ! -r /etc/os-release ] || . /etc/os-release
if [ "${1:-}" = --ask ]; then
  ask
  exit
fi
wait_for_the_others
answers || ensure_engine
ensure_compose
answers || ensure_daemon
answers || fail "el motor corre y $(id -un) no puede hablarle: hágalo miembro del grupo docker"
ensure_image
docker run --rm "$image" true || fail "la imagen $image no arranca"
say "listo: $(docker --version), compose $(docker compose version --short), imagen $image"
