#!/bin/bash
# dump.sh NAME: what the database is outside schema migracion, as /var/lib/cycle/NAME.sql.
set -euo pipefail
pg_dump -U supabase_admin -d tinkubot --exclude-schema=migracion |
  grep -v -e '^.restrict ' -e '^.unrestrict ' >"/var/lib/cycle/$1.sql"
