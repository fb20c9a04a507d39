"""Lets the second opinion judge what the forward SELECT says and what the Spanish tables hold, in the proof's own snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..core.catalogue import Catalogue
from ..core.mapping.types import Pair, TableMapping
from ..core.opinion.binding import BoundPair
from ..core.opinion.choice import ALL_UP_TO, at_places, place_sql
from ..core.opinion.fates import Carried, Fate, LegacyRow, Refused
from ..core.proof.accounts import Account
from ..core.proof.comparison import PENDING, QUARANTINED, second_look_sql
from ..core.proof.opinions import Disagreement, Opinion, Said, disagreements, stored_disagreements
from ..core.rows.repeated_keys import keys_repeat
from ..core.rows.retained import entry_here, kept_by, waits_here
from ..core.rows.routes import Route, spanish_clave
from ..core.rows.row_bytes import legacy_row_bytes
from ..core.rows.row_locks import as_rows
from ..core.rows.staying import due_value
from ..core.sqltext import BYTES, collated, ident
from ..opinion.choosing import choose
from ..opinion.neighbourhood import Neighbourhood, bound_here
from ..server.db import Row, fetch_all, rolled_back, run_sql

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

PORTION_ROWS, PORTION_BYTES = 2_000, 16_000_000  # of rows that are held in memory at once, both sides of each
BY_KEY = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off"  # few rows of a large table, as in a batch of the copy


@dataclass
class SecondOpinion:
    """Judges the rows of a proof. ``sample``: rows of a large table at random; ``found``: of the last proof, a table each."""

    mapping: TableMapping
    catalogue: Catalogue
    sample: int
    found: list[Opinion] = field(default_factory=list, init=False)

    def take(self, conn: Connection, accounts: Sequence[Account]) -> None:
        """Judge the legacy tables of these pairs, in the transaction in which they were compared."""
        here = Neighbourhood(conn, bound_here(conn, self.mapping, self.catalogue))
        given: dict[str, list[tuple[str, ...]]] = {}
        self.found = [
            self._of_table(here, [a for a in accounts if a.route.pair.source == source], given)
            for source in dict.fromkeys(a.route.pair.source for a in accounts)
        ]
        whole = {one.table: one for one in self.found if one.whole}
        surplus = {a.route.pair.target for a in accounts if a.surplus}  # there the comparison names them itself
        for target, route in {a.route.pair.target: a.route for a in accounts}.items():
            known = all(p.pair.source in whole for p in here.bound.pairs if p.pair.target == target)
            if known and target not in surplus:
                fill = [a.route for a in accounts if a.route.pair.target == target]
                whole[route.pair.source].add(_of_nobody(conn, fill, given.get(target, [])))

    @property
    def agrees(self) -> bool:
        """Whether nothing was found that the two see differently."""
        return not any(one.count for one in self.found)

    def _of_table(self, here: Neighbourhood, accounts: Sequence[Account], given: dict[str, list[tuple[str, ...]]]) -> Opinion:
        """Judge one legacy table; ``given``: by Spanish table, the match columns of the rows that come out of it, added to."""
        source = accounts[0].route.pair.source
        pairs = [p for p in here.bound.pairs if p.pair.source == source]
        choice = choose(here, pairs, self.sample)
        found = Opinion(source, choice.rows, len(choice.places), choice.at_random)
        for places in _portions(here.conn, accounts[0].route, pairs[0], choice.places):
            rows = list(here.read(source, at_places(pairs[0].relation), (list(places),)))
            owners = ((next((pair for pair in pairs if pair.takes(row)), None), row) for row in rows)
            mine = [(pair, row) for pair, row in owners if pair is not None]
            fates = {row.place: (pair.pair, fate) for (pair, row), fate in zip(mine, here.opinions(mine), strict=True)}
            for carrying, fate in fates.values():
                if isinstance(fate, Carried):
                    given.setdefault(carrying.target, []).append(_matched(carrying, fate))
            for account in accounts:
                _compare(here, account, rows, fates, found)
        return found


def _compare(
    here: Neighbourhood, account: Account, rows: Sequence[LegacyRow], fates: dict[str, tuple[Pair, Fate]], found: Opinion
) -> None:
    """Hold one pair's SELECT and its Spanish rows against the fates of these rows, each with the pair that it belongs to."""
    route, odd = account.route, dict[str, tuple[str, Carried]]()
    source, said = route.pair.source, dict(select_says(here.conn, route, rows))
    for row in rows:
        owner, judged = fates.get(row.place, (None, None))
        fate = judged if owner is route.pair else None
        clave, words = said.get(row.place, ("", None))
        if fate is None and words is None:
            continue
        clave = clave or "|".join(str(row.values[c.name]) for c in route.key)
        if (
            isinstance(fate, Refused)
            and words is not None
            and words.carried
            and here.refused.get((source, clave)) in fate.sqlstates
        ):
            found.unforeseen += 1  # the SELECT leaves to an index what the index then refused
            continue
        differing = list(disagreements(source, clave, fate, words))
        found.add(differing)
        if isinstance(fate, Carried) and not differing and words is not None and not words.stored:
            odd[row.place] = (clave, fate)
    found.add(_stored(here.conn, account, rows, odd, found))


def select_says(conn: Connection, route: Route, rows: Sequence[LegacyRow]) -> Iterator[tuple[str, tuple[str, Said]]]:
    """Yield by place what the view says: the row's clave, and what becomes of it."""
    places = dict(zip(_known_by(route, rows), (row.place for row in rows), strict=True))
    columns = route.columns
    texts, twin = (", ".join(f"{alias}.{ident(name)}::text" for name in columns) for alias in "ft")
    due = ", ".join(f"{due_value(route, name, 't', 'f')}::text" for name in columns)
    table = "f._tabla::bigint" if keys_repeat(route) else "NULL::bigint"
    query = (
        f"SELECT ARRAY[{', '.join(f'f.{k}::text' for k in route.key_names)}], f._lugar::text, {table}, f._clave, f._rechazo[1:2],"
        f" f._fusion, ARRAY[{texts}], {collated(f'ARRAY[{due}]::text', BYTES)} = {collated(f'ARRAY[{twin}]::text', BYTES)}"
        f" FROM {{rows}} LEFT JOIN {route.target_table} t"
        f" ON {' AND '.join(f't.{ident(m)} = f.{ident(m)}' for m in route.pair.match)} WHERE {{mine}}"
    )
    if route.in_one_file:
        listed = ",".join(f'"{lugar}"' for _, lugar, _ in places)
        rows_sql, mine = f"{route.view} f", f"f._lugar = ANY ('{{{listed}}}'::tid[])"
    else:
        same = " AND ".join(f"f.{k} = k.{k}" for k in route.key_names)
        rows_sql, mine = (
            f"{as_rows([c.type for c in route.key], [key for key, _, _ in places])} JOIN {route.view} f ON {same}",
            "true",
        )
    query = query.replace("{rows}", rows_sql, 1).replace("{mine}", mine, 1)
    for key, lugar, tabla, clave, refused, merged, values, equal in _by_key(conn, query):
        if (place := places.get((tuple(key), lugar, tabla))) is not None:
            words = dict(zip(columns, values, strict=True))
            yield place, (clave, Said(tuple(refused) if refused else None, merged, words, bool(equal)))


def _known_by(route: Route, rows: Iterable[LegacyRow]) -> Iterator[tuple[tuple[str, ...], str, int | None]]:
    """Yield each row as the view knows it: its key, its ctid, and its table where several rows may have one key."""
    names, repeat = [column.name for column in route.key], keys_repeat(route)
    for row in rows:
        _, table, block, offset = row.place.split(":")
        key = tuple(str(row.values[name]) for name in names)
        yield key, f"({int(block)},{int(offset)})", int(table) if repeat else None


def _stored(
    conn: Connection, account: Account, rows: Sequence[LegacyRow], odd: dict[str, tuple[str, Carried]], found: Opinion
) -> Iterator[Disagreement]:
    """Name Spanish rows that are not as both say, but for those that the comparison names itself, or that PostgreSQL refused."""
    if not odd:
        return
    route = account.route
    there = _spanish(conn, route, [_matched(route.pair, fate) for _, fate in odd.values()])
    asked = _known_by(route, (row for row in rows if row.place in odd))
    keys = as_rows([c.type for c in route.key], [key for key, *_ in asked])
    states = {clave: state for state, _, _, clave, *_ in _by_key(conn, second_look_sql(route, (), keys, 0))}
    for _, (clave, fate) in sorted(odd.items()):
        if states.get(clave) == QUARANTINED:
            found.unforeseen += 1
        elif states.get(clave) not in PENDING or not account.count(*PENDING):
            yield from stored_disagreements(route.pair.source, clave, fate.values, there.get(_matched(route.pair, fate)))


def _of_nobody(conn: Connection, fill: Sequence[Route], given: Sequence[tuple[str, ...]]) -> Iterator[Disagreement]:
    """Name the Spanish rows of a small table whose match columns no legacy row gives, and no refused one keeps.

    ``fill``: all routes of the table. The comparison counts none; which rows are refused has been judged by now.
    """
    route = fill[0]
    same = " AND ".join(f"t.{ident(name)} = k._k{n}" for n, name in enumerate(route.pair.match, 1))
    unknown = f"NOT EXISTS (SELECT FROM {as_rows([c.type for c in route.match], given)} WHERE {same})"
    unknown += f" AND NOT ({kept_by(fill, 't')}) AND {entry_here(route, 't')} IS NULL AND NOT {waits_here(route, 't')}"
    query = f"SELECT {spanish_clave(route, 't')} FROM {route.target_table} t WHERE {unknown} LIMIT {ALL_UP_TO}"
    for (clave,) in fetch_all(conn, query):
        yield Disagreement(route.pair.target, clave, "la fila", "que viene de una fila legacy", "que sobra")


def _matched(pair: Pair, fate: Carried) -> tuple[str, ...]:
    return tuple(str(fate.values[name]) for name in pair.match)


def _spanish(conn: Connection, route: Route, keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], dict[str, str | None]]:
    """The Spanish rows with these match columns, each value as text."""
    match, values = (", ".join(f"t.{ident(name)}::text" for name in names) for names in (route.pair.match, route.columns))
    same = " AND ".join(f"t.{ident(name)} = k._k{n}" for n, name in enumerate(route.pair.match, 1))
    listed = as_rows([c.type for c in route.match], keys)
    rows = _by_key(conn, f"SELECT ARRAY[{match}], ARRAY[{values}] FROM {listed} JOIN {route.target_table} t ON {same}")
    return {tuple(key): dict(zip(route.columns, texts, strict=True)) for key, texts in rows}


def _by_key(conn: Connection, query: str) -> list[Row]:
    with rolled_back(conn):
        run_sql(conn, BY_KEY)
        return fetch_all(conn, query)


def _portions(conn: Connection, route: Route, pair: BoundPair, places: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut the places into portions whose rows are few and hold few bytes; a larger row stands alone."""
    place, weight = place_sql(pair.relation), legacy_row_bytes(route, "l")
    for first in range(0, len(places), PORTION_ROWS):
        some = places[first : first + PORTION_ROWS]
        query = f"SELECT ({place})::text, {weight} FROM {route.source_table} l WHERE ".replace("%", "%%")
        weights: dict[str, int] = dict(fetch_all(conn, query + at_places(pair.relation), (list(some),)))
        begin, held = 0, 0
        for position, one in enumerate(some):
            if held and held + weights[one] > PORTION_BYTES:
                yield some[begin:position]
                begin, held = position, 0
            held += weights[one]
        yield some[begin:]
