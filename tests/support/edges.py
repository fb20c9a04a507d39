"""Many boxes of which one row is at each edge, and what the second opinion says of a table."""

from __future__ import annotations

from pathlib import Path

from plugins.module_utils.call.context import opened
from plugins.module_utils.core.proof.accounts import Account
from plugins.module_utils.core.proof.opinions import Opinion
from plugins.module_utils.proof.second_opinion import SecondOpinion
from plugins.module_utils.server import db

from .boxes import Night
from .databases import Database
from .jobs import Jobs

BOXES = "v_boxes_cajas"
EDGES = {
    "the lowest key": 1,
    "the highest key": -1,  # whichever that is
    "the first text": 501,
    "the longest": 502,
    "the first of another column": 503,
    "the smallest number": 504,
    "a NULL": 505,
    "the earliest": 506,
    "an infinite time": 507,
    "the longest document": 508,
    "the last by its first 200 characters": 509,
    "the shortest": 510,
}
ROWS = """
UPDATE boxes SET seen_at = '2024-03-01'::timestamptz + id * interval '1 minute', data = '{"n": 1}', content = 'm' || content;
UPDATE boxes SET label = 'b' WHERE id = 501; UPDATE boxes SET content = repeat('n', 900) WHERE id = 502;
UPDATE boxes SET content = 'a' || content WHERE id = 503; UPDATE boxes SET weight = -5 WHERE id = 504;
UPDATE boxes SET data = NULL WHERE id = 505; UPDATE boxes SET seen_at = '2001-01-01' WHERE id = 506;
UPDATE boxes SET seen_at = 'infinity' WHERE id = 507; UPDATE boxes SET data = '{"n": "zzzzzzzzzz"}' WHERE id = 508;
UPDATE boxes SET content = repeat('Ñ', 150) WHERE id = 511;
UPDATE boxes SET content = repeat('Ñ', 150) || 'x' WHERE id = 509; UPDATE boxes SET content = 'mm' WHERE id = 510
"""


def with_edges(database: Database, folder: Path, rows: int) -> Night:
    """So many boxes, copied; one of them is at an edge by each of its columns."""
    night = Night.on(database, folder, rows, batch_rows=5000)
    night.up_to_tables()
    database.query(ROWS)
    night.night()
    night.equalise()
    return night


def keys_at_edges(rows: int) -> list[int]:
    """The key of the row at each edge, of so many."""
    return [rows if key < 0 else key for key in EDGES.values()]


def judged(jobs: Jobs, source: str, sample: int) -> Opinion:
    """What the second opinion says of one legacy table where the comparison calls everything equal."""
    with opened(jobs.params("prueba", "fase2"), True) as context:
        opinion = SecondOpinion(context.mapping, context.catalogue, sample)
        accounts = [Account(r) for r in context.all_routes if r.pair.source == source]
        with db.transaction(context.conn, isolation="REPEATABLE READ", read_only=True):
            opinion.take(context.conn, accounts)
        [found] = opinion.found
        return found
