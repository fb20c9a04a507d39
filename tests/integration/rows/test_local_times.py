"""What legacy times without a zone are by two clocks, and that forward and proof read them by the one that is declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plugins.module_utils.core.rows.local_times import readings_sql
from plugins.module_utils.server.db import fetch_all, run_sql
from tests.support.databases import Database
from tests.support.jobs import Jobs

MAPPING = """
schema: public
subphases: {fase2: ["2.1"]}
tables:
  visitas:
    twin: visits
    columns:
      id: integer
      hecha_at: timestamp
      otra_at: timestamp
      con_zona_at: timestamp
      como_texto_at: timestamp
      estado: text
      dueno_at: timestamp
    primary_key: id
pairs:
  visits:
    visitas:
      subphase: "2.1"
      columns:
        id: id
        hecha_at: Done "at"
        otra_at: {from: other, zona: America/Guayaquil}
        con_zona_at: zoned
        como_texto_at: texted
        estado: {from: closed, present: hecha, absent: abierta}
        dueno_at: {lookup: {table: visits, column: id, by: id, take: born}}
"""
TABLE = '''CREATE TABLE public.visits (id integer PRIMARY KEY, "Done ""at""" timestamp, other timestamp, zoned timestamptz,
  texted text, closed timestamp, born timestamp)'''
TIMES = '''INSERT INTO public.visits (id, "Done ""at""") VALUES (1, NULL), (2, 'infinity'), (3, '2026-11-20 21:30'),
  (4, '2026-11-19 08:00'), (5, '2026-11-18 00:00'), (6, '2026-11-17 00:00'), (7, '294276-12-31 23:00')'''
ONE = """INSERT INTO public.visits
  VALUES (1, '2026-11-20 21:30', 'infinity', '2026-11-20 21:30-05', '2026-11-20T21:30', NULL, NULL)"""


def test_three_values_are_shown_as_they_stand_and_by_both_clocks(conn: Any) -> None:
    run_sql(conn, TABLE, TIMES)
    assert fetch_all(conn, readings_sql("public", "visits", 'Done "at"', "America/Guayaquil")) == [
        ("2026-11-20 21:30:00", "2026-11-20T21:30:00Z", "2026-11-21T02:30:00Z"),
        ("2026-11-19 08:00:00", "2026-11-19T08:00:00Z", "2026-11-19T13:00:00Z"),
        ("2026-11-18 00:00:00", "2026-11-18T00:00:00Z", "2026-11-18T05:00:00Z"),
    ]


def test_half_past_nine_in_guayaquil_is_half_past_two_the_next_day_and_the_proof_says_so_too(
    empty_database: Database, tmp_path: Path
) -> None:
    written = tmp_path / "visitas.yml"
    written.write_text(f"zona: America/Guayaquil{MAPPING}", encoding="utf-8")
    with empty_database.cursor(empty_database.url) as cursor:
        cursor.execute(TABLE)
        cursor.execute(ONE)
    jobs = Jobs(empty_database.url, tmp_path, written)
    jobs.up_to_proof()
    got = empty_database.query("SELECT hecha_at::text, otra_at::text, con_zona_at::text, como_texto_at::text FROM visitas")
    assert got == [("2026-11-21 02:30:00", "infinity", "2026-11-21 02:30:00", "2026-11-20 21:30:00")]
    empty_database.query("UPDATE visitas SET hecha_at = '2026-11-20 21:30'")
    assert any("hecha_at" in line for line in jobs.differences())
