"""One pair of tables, small enough to be made large, wide, locked or full in a second, and the nights that copy it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from plugins.module_utils.jobs import table_copy

from .databases import Database
from .jobs import Jobs

MAPPING = """\
schema: public
subphases: {fase2: ["1"]}
tables:
  cajas:
    twin: boxes
    columns:
      id: KEY
      rotulo: varchar(50)
      peso: integer
      contenido: text
      datos: jsonb
      visto_at: timestamp
    primary_key: id
    indexes: [rotulo, peso, visto_at]
pairs:
  boxes:
    cajas:
      subphase: "1"
      columns: {id: id, rotulo: label, peso: weight, contenido: content, datos: data, visto_at: seen_at}
"""
BOXES = """
CREATE TABLE public.boxes (
    id KEY, label text, weight integer, content text, data jsonb, seen_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (PK)
) PARTITIONS
"""
ROWS = "INSERT INTO boxes (id, label, weight, content) SELECT MADE, 'caja ' || n, n, md5(n::text) FROM generate_series(%s, %s) n"
RANDOM = "md5(n::text)::uuid"


@dataclass
class Night(Jobs):
    """The jobs on the boxes. ``more``: further parameters of each call."""

    database: Database | None = None
    key: str = "bigint"

    @classmethod
    def on(
        cls,
        database: Database,
        folder: Path,
        rows: int,
        key: str = "bigint",
        primary_key: str = "id",
        partitions: str = "",
        **more: Any,
    ) -> Night:
        """Boxes with so many rows, and the Spanish table made."""
        mapping = folder / "cajas.yml"
        mapping.write_text(MAPPING.replace("KEY", key), encoding="utf-8")
        night = cls(database.url, folder, mapping, database=database, key=key, **more)
        made = BOXES.replace("id KEY", f"id {key}").replace("PK", primary_key).replace("PARTITIONS", partitions)
        with database.cursor(database.url) as cursor:
            cursor.execute(made)
        night.fill(1, rows)
        return night

    def fill(self, first: int, last: int) -> None:
        """More rows."""
        assert self.database is not None
        if last >= first:
            statement = ROWS.replace("MADE", "n" if self.key == "bigint" else RANDOM)
            self.database.query(statement, (first, last))

    def params(self, run_id: str, phase: str, **more: Any) -> dict[str, Any]:
        return super().params(run_id, phase, **{**self.more, **more})

    def night(self, between: Callable[[], None] = lambda: None) -> list[str]:
        """The copy with all its slices; what it said."""
        with self.run("fase2") as run_id:
            return self.slices(run_id, between)

    def slices(self, run_id: str, between: Callable[[], None] = lambda: None) -> list[str]:
        """The same inside a run that is open already."""
        said: list[str] = []
        while True:
            result = table_copy.copy(self.params(run_id, "fase2"), False)
            said += result["lines"]
            if not result["more"]:
                return said
            between()


@contextmanager
def others(database: Database, *statements: str) -> Iterator[Any]:
    """Somebody else's transaction, open for as long as the block lasts."""
    with closing(psycopg2.connect(database.superuser_url)) as connection:
        for statement in statements:
            connection.cursor().execute(statement)
        yield connection


@contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run ``work(stopped)`` in a thread for as long as the block lasts; what it raises is raised here."""
    stopped, failures = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            work(stopped)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
    if failures:
        raise failures[0]


def at_each_batch(database: Database, body: str) -> None:
    """Let every batch run PL/pgSQL statements just before its checkpoint is written, with a superuser's rights."""
    database.query(
        "CREATE FUNCTION public.at_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        f" $$ BEGIN {body} RETURN NEW; END $$;"
        "CREATE TRIGGER at_batch BEFORE UPDATE ON migracion.progreso_copia FOR EACH ROW"
        " WHEN (NEW.filas_leidas > OLD.filas_leidas) EXECUTE FUNCTION public.at_batch()"
    )
