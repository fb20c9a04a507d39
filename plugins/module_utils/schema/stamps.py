"""Whether functions of ours are still what a run made of them: a comment keeps the fingerprint of their text beside what the
catalogue said of each when it was made."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.bookkeeping import BOOKKEEPING
from ..server.db import fetch_all

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


@dataclass(frozen=True)
class Made:
    """What is left of some functions. ``current``: they were made from this text; ``absent``: those that somebody dropped;
    ``changed``: those that are not as they were made. Names without the schema."""

    current: bool
    absent: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether they are what a run would make now."""
        return self.current and not self.absent and not self.changed


def names_made(statements: Iterable[str]) -> list[str]:
    """Return the names of the functions that the statements make."""
    found = (match for text in statements for match in _NAME.finditer(text))
    return [match[1] or match[2].replace('""', '"') for match in found]


_NAME = re.compile(rf'CREATE OR REPLACE FUNCTION {BOOKKEEPING}\.(?:(\w+)|"((?:[^"]|"")+)")')


def bodies(conn: Connection) -> dict[str, str]:
    """Return by name a digest of each function of the schema, as it is now: what it does, as whom, under which settings."""
    return dict(
        fetch_all(
            conn,
            "SELECT p.proname::text, md5(string_agg(concat_ws(' ', p.prosrc, p.prosecdef, p.proconfig), ' ' ORDER BY p.oid))"
            " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = %s GROUP BY 1",
            (BOOKKEEPING,),
        )
    )


def stamp_of(fingerprint: str, names: Iterable[str], found: Mapping[str, str]) -> str:
    """Return the comment that keeps ``fingerprint`` and what ``found`` (bodies) says of these functions."""
    return f"{fingerprint} {json.dumps({name: found.get(name, '') for name in sorted(names)})}"


def judged(stamp: str, fingerprint: str, found: Mapping[str, str]) -> Made:
    """Compare a comment that stamp_of() made with the text of now and with ``found``; of any other comment nothing is known."""
    text, _, kept = stamp.partition(" ")
    if not kept:
        return Made(False)
    then: dict[str, str] = json.loads(kept)
    absent = tuple(name for name in then if name not in found)
    changed = tuple(name for name, body in then.items() if name in found and found[name] != body)
    return Made(text == fingerprint, absent, changed)
