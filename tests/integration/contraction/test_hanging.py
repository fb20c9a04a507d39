"""What hangs on the legacy tables and the mapping does not re-point is listed with a draft, and nothing is changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.sample.supabase import DEFAULT_OWNER
from tests.support.jobs import TINKUBOT

from .conftest import Contracting

# One of each kind, of somebody else's: how fase5 names it, and what makes it, as the superuser.
KINDS = {
    "view public.ajena": "CREATE VIEW ajena WITH (security_invoker = true) AS SELECT id, city FROM customers",
    "materialized view public.ajena_m": "CREATE MATERIALIZED VIEW ajena_m AS SELECT count(*) FROM messages",
    "table constraint pagos_quien_fkey on public.pagos": "CREATE TABLE pagos (id int PRIMARY KEY, quien uuid REFERENCES users)",
    "rule ajena on public.pagos": "CREATE RULE ajena AS ON DELETE TO pagos DO ALSO DELETE FROM sessions WHERE false",
    "policy ajena on public.pagos": "CREATE POLICY ajena ON pagos USING (EXISTS (SELECT FROM users u WHERE u.id = quien))",
    "function public.en_sql()": "CREATE FUNCTION en_sql() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.users'",
    "function public.en_plpgsql()": "CREATE FUNCTION en_plpgsql() RETURNS void LANGUAGE plpgsql AS"
    " $$ BEGIN PERFORM FROM customers; END $$",
    "function public.dinamica()": "CREATE FUNCTION dinamica() RETURNS void LANGUAGE plpgsql AS"
    " $$ BEGIN EXECUTE 'DELETE FROM task_queue WHERE false'; END $$",
    "function public.atomica()": "CREATE FUNCTION atomica() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM professions; END",
    "function public.de_fila(public.users)": "CREATE FUNCTION de_fila(u users) RETURNS text LANGUAGE sql AS 'SELECT u.city'",
    "trigger aviso on public.messages": "CREATE SCHEMA supabase_functions; CREATE FUNCTION supabase_functions.http_request()"
    " RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
    " CREATE TRIGGER aviso AFTER INSERT ON messages FOR EACH ROW"
    " EXECUTE FUNCTION supabase_functions.http_request('https://ejemplo.test', 'POST')",
    "default value for public.pagos.numero": "ALTER TABLE pagos ADD numero integer DEFAULT nextval('turnos_id_seq')",
    "table public.hija": "CREATE TABLE hija () INHERITS (provider_services)",
    "cron job 7": "CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint PRIMARY KEY, command text);"
    " INSERT INTO cron.job VALUES (7, 'DELETE FROM public.sessions WHERE expires_at < now()'), (8, 'SELECT 1')",
}
OWNED = f"{KINDS['view public.ajena']}; ALTER VIEW ajena OWNER TO {DEFAULT_OWNER}"
# What only looks like it: a comment, another schema's table, a column.
ALIKE = (
    "CREATE FUNCTION parecida() RETURNS void LANGUAGE plpgsql AS"
    " $$ BEGIN /* users */ PERFORM FROM auth.users a; -- customers\n PERFORM FROM clientes; END $$"
)
# An identity's sequence, which this installation has not; and an heir, which fase0 refuses already.
OTHERWISE = {"default value for public.pagos.numero", "table public.hija"}


def refusal(contracting: Contracting, **more: object) -> str:
    """What fase5 says where it stops; nothing outside the bookkeeping is another than before."""
    before = contracting.schema()
    with pytest.raises(MigrationError) as stopped:
        contracting.move(**more)
    assert stopped.value.code == "refused"
    assert contracting.schema() == before
    return str(stopped.value)


def test_whatever_hangs_on_a_legacy_table_is_listed_and_stops_the_move(contracting: Contracting) -> None:
    made = {name: statement for name, statement in KINDS.items() if name not in OTHERWISE}
    contracting.write(*made.values(), ALIKE)
    said = refusal(contracting)
    listed = re.findall(r"^  (\S.*?): cuelga de ", said, re.MULTILINE)
    assert set(listed) == set(made)
    draft = said.partition("view public.ajena: ")[2].splitlines()[1]
    assert "CREATE OR REPLACE view public.ajena WITH (security_invoker=true) AS SELECT id, city FROM public.clientes" in draft


@pytest.mark.slow
def test_an_heir_of_a_legacy_table_stops_it_as_drift(contracting: Contracting) -> None:
    contracting.write(KINDS["table public.hija"])
    with pytest.raises(MigrationError) as stopped:
        contracting.move()
    assert stopped.value.code == "drift"


def test_a_sign_up_that_still_names_users_and_a_publication_that_nobody_carries_stop_it(contracting: Contracting) -> None:
    contracting.write(
        "CREATE OR REPLACE FUNCTION handle_new_user() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO public.users (id, phone_number) VALUES (NEW.id, '1'); RETURN NEW; END $$"
    )
    said = refusal(contracting, carry_publication=False)
    assert "function public.handle_new_user(): cuelga de users" in said
    assert "publication relation public.messages in publication supabase_realtime" in said


@pytest.mark.slow
def test_rows_without_a_parent_and_open_quarantine_stop_it_together(contracting: Contracting) -> None:
    key = "11111111-0000-4000-8000-000000000000"
    contracting.write(
        "UPDATE migracion.cuarentena SET estado = 'abierta' WHERE id = (SELECT min(id) FROM migracion.cuarentena)",
        f"INSERT INTO customers (id, phone_number, full_name) VALUES ('{key}', '+1', repeat('x', 300))",
        f"INSERT INTO consents (user_id, user_type, response) VALUES ('{key}', 'customer', 'si')",
    )
    said = refusal(contracting)
    assert "public.consents: 1 valores de user_id no están en clientes (11111111-0000-4000-8000-000000000000)" in said
    assert "en cuarentena abierta" in said


def test_what_the_mapping_declares_goes_with_the_move_and_comes_back(contracting: Contracting, tmp_path: Path) -> None:
    """A webhook moves only where the mapping says so; a view keeps its options; what may stay is passed by."""
    contracting.write(OWNED, KINDS["trigger aviso on public.messages"], KINDS["function public.en_sql()"])
    contracting.write("GRANT USAGE ON SCHEMA supabase_functions TO PUBLIC")
    contracting.write(
        "CREATE PUBLICATION acotada FOR TABLE messages (id, content) WHERE (id IS NOT NULL)",
        "ALTER PUBLICATION acotada OWNER TO postgres",
    )
    assert "publication relation public.messages in publication acotada" in refusal(contracting)
    path = tmp_path / "mapeo.yml"
    call = "FOR EACH ROW EXECUTE FUNCTION supabase_functions.http_request('https://ejemplo.test', 'POST')"
    path.write_text(
        TINKUBOT.read_text(encoding="utf-8")
        + f"""
  view public.ajena:
    statement: >-
      CREATE OR REPLACE VIEW public.ajena WITH (security_invoker = true) AS SELECT id, ciudad::text AS city FROM public.clientes
  trigger aviso on public.messages:
    statement: CREATE TRIGGER aviso AFTER INSERT ON public.mensajes {call}
    back: DROP TRIGGER aviso ON public.mensajes
  function public.en_sql():
    waived: nadie la llama
  publication relation public.messages in publication acotada:
    statement: ALTER PUBLICATION acotada ADD TABLE public.mensajes (id, contenido)
    back: ALTER PUBLICATION acotada DROP TABLE public.mensajes
""",
        encoding="utf-8",
    )
    contracting.jobs.mapping = path
    contracting.jobs.approve()
    before = contracting.schema()
    contracting.move()
    assert "public.clientes" in contracting.value("SELECT pg_get_viewdef('public.ajena'::regclass)").replace(
        "FROM c", "FROM public.c"
    )
    assert contracting.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'mensajes'::regclass AND tgname = 'aviso'") == 1
    published = (
        "SELECT array_agg(tablename::text ORDER BY tablename) FROM pg_publication_tables WHERE pubname = 'supabase_realtime'"
    )
    assert contracting.value(published) == ["mensajes", "solicitudes_servicio"]
    contracting.back()
    assert contracting.schema() == before


@pytest.mark.slow
def test_a_statement_that_leaves_something_hanging_undoes_the_move(contracting: Contracting, tmp_path: Path) -> None:
    contracting.write(OWNED)
    path = tmp_path / "mapeo.yml"
    text = TINKUBOT.read_text(encoding="utf-8")
    path.write_text(text + "\n  view public.ajena:\n    statement: COMMENT ON VIEW public.ajena IS 'nada'\n", encoding="utf-8")
    contracting.jobs.mapping = path
    contracting.jobs.approve()
    with pytest.raises(MigrationError, match=r"sigue colgando de las tablas legacy: view public\.ajena"):
        contracting.move()
    assert contracting.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'legado'") == 0
