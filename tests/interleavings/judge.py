"""What is wrong with what an order left, by the second opinion and both laws of accounting: nothing here knows the sync."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from plugins.module_utils.core.opinion.binding import Bound, BoundPair, clave_of
from plugins.module_utils.core.opinion.fates import (
    Candidates,
    Carried,
    Everything,
    Fate,
    HardJson,
    Instant,
    Known,
    LegacyRow,
    Merged,
    Need,
    Refused,
)
from plugins.module_utils.core.opinion.judging import judge
from plugins.module_utils.opinion.neighbourhood import bound_here
from plugins.module_utils.server.connect import connect
from plugins.module_utils.server.live_catalogue import read_catalogue

from .ground import Ground, State

Row = dict[str, str | None]
Place = tuple[str, str]  # table and key


@dataclass
class Judge:
    """Judges states without a database: the mapping is bound once."""

    bound: Bound
    texts: dict[Instant | HardJson, str | None] = field(default_factory=dict)

    def wrong(self, state: State) -> list[str]:
        """Return what is wrong, in words."""
        return list(_Judged(self.bound, state).wrong())


def make_judge(ground: Ground) -> Judge:
    """Bind the mapping as it holds there."""
    conn = connect(ground.jobs.url, "interleavings")
    try:
        return Judge(bound_here(conn, ground.mapping, read_catalogue(conn, ground.mapping)))
    finally:
        conn.close()


class _Judged:
    def __init__(self, bound: Bound, state: State) -> None:
        self.bound, self.state = bound, state
        self.rows = {
            table.split(".")[1]: [LegacyRow(table.split(".")[1], row, _place(row)) for row in rows]
            for table, rows in state.items()
            if table.startswith("public.")
        }
        self.entries = {(str(e["tabla_origen"]), str(e["clave"])): e for e in state["migracion.cuarentena"]}
        self.merges = {(str(m["tabla_origen"]), str(m["clave"])): m for m in state["migracion.fusion"]}
        self.explained: dict[str, set[tuple[str | None, ...]]] = {}
        self.seen: set[Place] = set()

    def wrong(self) -> Iterator[str]:
        for waiting in self.state["migracion.pendiente"]:
            yield f"{waiting['tabla_origen']} {waiting['clave']} waits: {waiting['motivo']}"
        for pair, row, fate in self._fates():
            yield from self._of_legacy(pair, row, fate)
        for table in {p.table.name: p for p in self.bound.pairs}:
            yield from self._of_spanish(table)
        for (table, clave), entry in self.entries.items():
            if (table, clave) not in self.seen:
                yield f"stale entry: {table} {clave} ({entry['motivo']})"
        for (table, clave), merge in self.merges.items():
            if (table, clave) not in self.seen:
                yield f"stale merge: {table} {clave} into {merge['clave_destino']}"

    def _fates(self) -> Iterator[tuple[BoundPair, LegacyRow, Fate]]:
        known = Known()
        for pair in self.bound.pairs:
            for row in self.rows[pair.pair.source]:
                if pair.takes(row):
                    while isinstance(said := judge(pair, row, known), frozenset):
                        known.learn({need: self._who(need) for need in said if isinstance(need, Candidates | Everything)}, {})
                        if any(isinstance(need, Instant | HardJson) for need in said):
                            raise NotImplementedError(str(said))  # no value of the cast is one that only a server reads
                    yield pair, row, said

    def _who(self, need: Need) -> tuple[LegacyRow, ...]:
        if isinstance(need, Everything):
            return tuple(self.rows[need.table])
        assert isinstance(need, Candidates)
        wanted = _compared(need.value, need.loose)
        return tuple(r for r in self.rows[need.table] if _compared(r.values[need.column], need.loose) == wanted)

    def _of_legacy(self, pair: BoundPair, row: LegacyRow, fate: Fate) -> Iterator[str]:
        source, target, clave = pair.pair.source, pair.table.name, clave_of(pair.key_of(row))
        entry, merge = self.entries.get((source, clave)), self.merges.get((source, clave))
        self.seen.add((source, clave))
        if entry is not None and not isinstance(fate, Refused):
            yield f"stale entry: {source} {clave} ({entry['motivo']})"
        if merge is not None and not isinstance(fate, Merged):
            yield f"stale merge: {source} {clave} into {merge['clave_destino']}"
        if isinstance(fate, Merged):
            if merge is None or merge["clave_destino"] != fate.into:
                yield f"missing merge: {source} {clave} into {fate.into}"
        elif isinstance(fate, Refused):
            if entry is None:
                yield f"missing entry: {source} {clave} {sorted(fate.reasons)}"
            elif (str(entry["sqlstate"]), entry["columna"]) not in fate.reasons:
                yield f"wrong entry: {source} {clave} {entry['sqlstate']} {entry['columna']}, not {sorted(fate.reasons)}"
            if not pair.is_stray(row):
                self.explained.setdefault(target, set()).add(self._match_of_refused(pair, row))
        else:
            yield from self._carried(pair, clave, fate)

    def _match_of_refused(self, pair: BoundPair, row: LegacyRow) -> tuple[str | None, ...]:
        return tuple(row.values[c.source.name] if (c := pair.columns[m]).source is not None else None for m in pair.pair.match)

    def _carried(self, pair: BoundPair, clave: str, fate: Carried) -> Iterator[str]:
        match = tuple(fate.values[m] for m in pair.pair.match)
        self.explained.setdefault(pair.table.name, set()).add(match)
        twin = next((r for r in self._twins(pair.table.name) if tuple(r[m] for m in pair.pair.match) == match), None)
        here = self.entries.get((pair.table.name, clave))
        if here is not None:
            return
        if twin is None:
            yield f"missing: {pair.table.name} {clave}"
            return
        for name, value in fate.values.items():
            if twin[name] != value:
                yield f"different: {pair.table.name} {clave} {name} is {twin[name]!r}, not {value!r}"

    def _of_spanish(self, table: str) -> Iterator[str]:
        pair = next(p for p in self.bound.pairs if p.table.name == table)
        for row in self._twins(table):
            clave = "|".join(str(row[name]) for name in pair.table.primary_key)
            here = self.entries.get((table, clave))
            self.seen.add((table, clave))
            if tuple(row[m] for m in pair.pair.match) not in self.explained.get(table, set()) and here is None:
                yield f"surplus: {table} {clave}"
        for place in self.entries:
            if place[0] == table and place[1] in {c for t, c in self.seen if t in self._sources(table)}:
                self.seen.add(place)

    def _sources(self, table: str) -> set[str]:
        return {p.pair.source for p in self.bound.pairs if p.table.name == table}

    def _twins(self, table: str) -> list[Row]:
        return self.state[f"public.{table}"]


def _place(row: Row) -> str:
    block, offset = str(row["ctid"]).strip("()").split(",")
    return f"0:{0:010}:{int(block):010}:{int(offset):05}"


def _compared(value: str | None, loose: bool) -> str | None:
    if value is None or not loose:
        return value and value.strip(" ")
    return re.sub("[{} -]", "", value).lower()


_NOW = re.compile(r"20(?:2[1-9]|[3-9]\d)-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?")


def shape(state: Any) -> str:
    """Return the state as a text in which the moment of writing does not count, but whether two are the same does."""
    moments: dict[str, str] = {}

    def sorted_rows(rows: list[Row]) -> list[str]:
        drop = ("ctid", "id") if rows and "motivo" in rows[0] else ("ctid",)
        return sorted(repr({k: v for k, v in r.items() if k not in (*drop, "detectada_at", "momento")}) for r in rows)

    tables = sorted(table for table in state if "progreso" not in table)
    text = "\n".join(f"{table}: {row}" for table in tables for row in sorted_rows(state[table]))
    return _NOW.sub(lambda found: moments.setdefault(found[0].replace("T", " "), f"now{len(moments)}"), text)
