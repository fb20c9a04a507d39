"""Everything that fase0's page of findings looks at. Reads only; what could not be asked is a finding too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..core.catalogue import Catalogue
from ..core.mapping.types import TableMapping
from ..core.survey import server_findings as of_server
from ..core.survey import table_findings as of_tables
from ..core.survey.findings import BAR, GOOD, NOTICE, Finding
from ..core.survey.sequence_findings import sequence_findings
from ..core.survey.unsaid_findings import unsaid_findings
from ..server import db
from ..server.live_catalogue import orphan_grants
from ..server.published import unidentified
from . import sequence_state, server_state, table_state
from .row_reading import readable_rows

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_Answer = TypeVar("_Answer")
Asks = Iterable[tuple[str, Callable[[], _Answer]]]  # what is asked about, '' for the whole database, and the question


@dataclass(frozen=True)
class Runbook:
    """Which code looks: the run's id, and the version and sha256 of its files, '' where nobody has said."""

    run_id: str
    version: str = ""
    sha256: str = ""


@dataclass
class _Page:
    """``conn`` is asked, ``found`` grows."""

    conn: Connection
    found: list[Finding] = field(default_factory=list)

    def ask(self, name: str, asks: Asks[_Answer], judge: Callable[[list[_Answer]], list[Finding]], unasked: str = NOTICE) -> None:
        """Ask everything, judge the answers; ``unasked``: the verdict where a question could not be answered.

        That all is well is then not said.
        """
        answers, failed = [], []
        for what, question in asks:
            try:
                answers.append(question())
            except db.Error as error:
                if self.conn.closed:
                    raise
                said = f"SQLSTATE {error.pgcode}: {error.diag.message_primary}"
                failed.append(Finding(name, f"{what}{': ' if what else ''}no se pudo comprobar ({said})", "comprobado", unasked))
        self.found += [f for f in (judge(answers) if answers or not failed else []) if not (failed and f.verdict == GOOD)]
        self.found += failed

    def ask_one(
        self, name: str, question: Callable[[], _Answer], judge: Callable[[_Answer], list[Finding]], unasked: str = NOTICE
    ) -> None:
        """The same with a single question, about the whole database."""
        self.ask(name, [("", question)], lambda answers: judge(answers[0]), unasked)


def look(
    conn: Connection,
    mapping: TableMapping,
    catalogue: Catalogue,
    texts: Callable[[], Mapping[str, str]],
    runbook: Runbook,
    *,
    forward: bool,
) -> list[Finding]:
    """Return the findings of this database. ``forward``: whether a run forward asks, which wrong clocks keep from going on.

    ``texts``: what the database is to hold of ours, by name; ``runbook``: which code asks.

    Raises psycopg2's error only where the connection is lost.
    """
    page = _Page(conn)
    page.ask_one(of_server.ENCODING, lambda: server_state.encoding(conn, texts), of_server.encoding_findings, BAR)
    if of_server.bars_everything(page.found):
        return page.found
    if runbook.sha256:
        page.ask_one("versión del runbook", lambda: _build(conn, runbook), of_server.build_findings)
    _server(page, mapping, catalogue, forward)
    _tables(page, mapping, catalogue)
    _around(page, mapping, catalogue)
    page.found += unsaid_findings(mapping, catalogue)
    return page.found


def _build(conn: Connection, runbook: Runbook) -> of_server.Build:
    return of_server.Build(runbook.version, runbook.sha256, server_state.build_before(conn, runbook.run_id))


def _server(page: _Page, mapping: TableMapping, catalogue: Catalogue, forward: bool) -> None:
    conn, names = page.conn, [r.name for r in catalogue.relations]
    page.ask_one("versión de PostgreSQL", lambda: server_state.version(conn), of_server.version_findings)
    page.ask_one("relojes", lambda: server_state.clocks(conn), partial(of_server.clock_findings, forward=forward))
    page.ask_one("orden de los textos", lambda: server_state.changed_sorting(conn, mapping, names), of_server.sorting_findings)
    page.ask_one("réplicas síncronas", lambda: server_state.standbys(conn), of_server.standby_findings)
    page.ask_one("transacciones preparadas", lambda: server_state.prepared_transactions(conn), of_server.prepared_findings)


def _tables(page: _Page, mapping: TableMapping, catalogue: Catalogue) -> None:
    conn, relations = page.conn, [r for r in catalogue.relations if r.kind in ("r", "p")]
    keys = [(r, key) for r in relations for key in dict.fromkeys((r.primary_key, *r.unique)) if key]
    page.ask(
        "unicidad contada",
        [(f"{r.name} ({', '.join(key)})", partial(table_state.counted_key, conn, mapping, r, key)) for r, key in keys],
        of_tables.unique_findings,
    )
    heirs = [r for r in relations if r.kind == "r" and r.heirs and r.primary_key]
    page.ask(
        "tablas que heredan",
        [(r.name, partial(table_state.repeated_in_heirs, conn, mapping, r)) for r in heirs],
        partial(of_tables.heir_findings, table_state.heirs_of(conn, mapping, [r.name for r in relations])),
        BAR,
    )
    matched = list(of_tables.match_columns(mapping, catalogue))
    page.ask(
        "columnas de emparejar",
        [(f"{m.relation.name}.{m.column.name}", partial(table_state.nulls_of, conn, mapping, m)) for m in matched],
        of_tables.nullable_findings,
        BAR,
    )
    zone = of_tables.local_zone(server_state.database_zone(conn))
    naive = list(of_tables.undeclared(mapping, catalogue))
    page.ask(
        "horas sin zona",
        [(f"{n.relation.name}.{n.column.name}", partial(table_state.naive_time, conn, mapping, n, zone)) for n in naive],
        partial(of_tables.naive_findings, zone=zone),
        BAR,
    )
    page.ask(
        "filas legibles",
        [(r.name, partial(readable_rows, conn, mapping.schema, r)) for r in relations],
        of_tables.readable_findings,
    )
    serials = sequence_state.serial_columns(mapping, catalogue)
    page.ask(
        "secuencias",
        [(str(c.column.sequence), partial(sequence_state.sequence_facts, conn, mapping, c, t)) for c, t in serials],
        sequence_findings,
    )


def _around(page: _Page, mapping: TableMapping, catalogue: Catalogue) -> None:
    conn, names = page.conn, [r.name for r in catalogue.relations]
    page.ask_one("columnas identity", lambda: table_state.identity_columns(conn, mapping, names), of_tables.identity_findings)
    page.ask_one(
        "colaciones de lo que se une",
        lambda: table_state.joined_sortings(conn, mapping, catalogue),
        of_tables.sorting_of_joins,
    )
    page.ask_one("permisos de nadie", lambda: orphan_grants(conn, mapping.schema, names), of_server.orphan_findings)
    page.ask_one(
        "claves foráneas de otros",
        lambda: server_state.foreign_references(conn, mapping),
        of_server.reference_findings,
    )
    everything = [*names, *(t.name for t in mapping.tables)]
    page.ask_one(
        "identidad de réplica",
        lambda: unidentified(conn, mapping.schema, everything),
        of_server.identity_of_replicas,
    )
