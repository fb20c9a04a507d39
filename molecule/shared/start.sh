#!/bin/sh
# Process 1 of every container: starts what its host is for (ROLE: database, empty for the others), then waits.
set -eu
ssh-keygen -A >/dev/null
/usr/sbin/sshd
if [ "${ROLE:-}" = database ]; then
  pg_ctlcluster 15 main start
  psql -q -U supabase_admin -d postgres -c "ALTER ROLE supabase_admin PASSWORD '${SUPERUSER_PASSWORD:?}'"
fi
trap 'exit 0' TERM INT
while :; do
  sleep 3600 &
  wait $!
done
