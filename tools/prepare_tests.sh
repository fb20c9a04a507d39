#!/usr/bin/env bash
# Installs what tests need beyond Python, on Debian and its like: names each package and what it is for, then installs it with
# its servers off. Who may not install, or has no apt, is told the command, and it fails: no test has begun. With nothing missing
# it is quick and says nothing. Docker is prepare_docker.sh's.
#
#   PYTHON=python3 tools/prepare_tests.sh [postgresql|locales|pgbouncer|faketime|openssh-server|npm]...
set -euo pipefail
speaker=pruebas
# shellcheck source=tools/apt.sh
. "$(dirname "$0")/apt.sh"

python=${PYTHON:-python3}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

has() { command -v "$1" >/dev/null; }

# What a package that is missing is for; nothing where it is there.
needed_for() {
  case $1 in
  python*-venv) can_make_venv || echo '.venv' ;;
  postgresql) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo 'las pruebas en el PostgreSQL de Debian' ;;
  locales) [ -e /usr/share/i18n/locales/es_EC ] || echo 'un servidor que habla español' ;;
  pgbouncer) has pgbouncer || echo 'un pooler delante del servidor' ;;
  faketime) has faketime || echo 'una máquina con el reloj mal puesto' ;;
  openssh-server) has sshd || echo 'un runner al que se llega por SSH' ;;
  npm) has npm || echo 'los servidores de PostgreSQL 14 a 18' ;;
  *) echo 'no se sabe qué' ;;
  esac
}

# An older Python is for setup_venv.py to refuse.
can_make_venv() { "$python" -c 'import sys; sys.version_info < (3, 11) or (__import__("ensurepip"), __import__("venv"))' 2>/dev/null; }

# Those of "$@" that are missing, with what they are for.
missing() {
  local package reason
  for package; do
    reason=$(needed_for "$package")
    [ -z "$reason" ] || printf '%s, para %s\n' "$package" "$reason"
  done
}

# Debian would make a cluster and start every server: the tests start their own.
install_with_servers_off() {
  local policy=/usr/sbin/policy-rc.d clusters=/etc/postgresql-common/createcluster.d/tinkubot.conf ours
  ours=$clusters
  [ -e "$policy" ] || ours+=" $policy"
  # shellcheck disable=SC2064  # the paths of now
  trap "as_root rm -f $ours; as_root rmdir -p --ignore-fail-on-non-empty '${clusters%/*}'" EXIT
  as_root mkdir -p "${clusters%/*}"
  echo 'create_main_cluster = false' | as_root tee "$clusters" >/dev/null
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  # an image that was made small leaves translations out, and one server is to speak Spanish
  apt_install -o 'Dpkg::Options::=--path-include=/usr/share/locale/es/LC_MESSAGES/*' "$@" ||
    fail "apt no da lo que falta ($*), y sin ello no empieza ninguna prueba: vea arriba por qué, y repita"
}

venv=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
found=$(missing "$venv" "$@")
[ -n "$found" ] || exit 0

while read -r line; do say "falta $line"; done <<<"$found"
mapfile -t packages < <(cut -d, -f1 <<<"$found")
nothing_done='No se instaló nada ni empezó ninguna prueba'
command -v apt-get >/dev/null || fail "aquí no hay apt-get. $nothing_done: instálelo como se haga en esta máquina, y repita"
may_be_root || fail "instalar es cosa de root, o de sudo sin contraseña. $nothing_done. Como root: apt-get update &&" \
  "apt-get install -y --no-install-recommends ${packages[*]}; luego repita"

wait_for_the_others
say "instalando ${packages[*]}"
install_with_servers_off "${packages[@]}"
found=$(missing "$venv" "$@")
[ -z "$found" ] || fail "apt instaló ${packages[*]}, y sigue faltando ${found//$'\n'/; }"
