#!/bin/bash
# Writes to the English tables as the services do, several times a second, until /var/lib/cycle/writer.stop is there. One line
# for each round goes to writer.rounds, what PostgreSQL says of a failed one to writer.errors.
set -u
cd /var/lib/cycle || exit 1
n=0
while [ ! -e writer.stop ]; do
  n=$((n + 1))
  psql -q -X -U postgres -d tinkubot -v ON_ERROR_STOP=1 -v n="$n" >/dev/null 2>>writer.errors <<'SQL' && echo "$n" >>writer.rounds
INSERT INTO public.customers (phone_number, full_name) VALUES ('700' || :n, 'Nueva ' || :n);
UPDATE public.customers SET city = 'Tena ' || :n WHERE id = (SELECT id FROM public.customers ORDER BY random() LIMIT 1);
UPDATE public.users SET city = 'Puyo ' || :n WHERE id = (SELECT id FROM public.users ORDER BY random() LIMIT 1);
INSERT INTO public.messages (content, metadata) VALUES ('hola ' || :n, jsonb_build_object('phone', '700' || :n));
DELETE FROM public.messages WHERE id = (SELECT id FROM public.messages ORDER BY random() LIMIT 1);
INSERT INTO public.task_queue (task_type, payload) VALUES ('reminder', jsonb_build_object('n', :n));
SQL
  sleep 0.1
done
