"""Who keeps a session of ours waiting, and the statement that ends it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..sqltext import literal
from ..words import duration

NAMED_AT_MOST = 3  # of many, those who wait for nobody themselves come first
SYNC_REPLICA = "SyncRep"


@dataclass(frozen=True)
class Blocker:
    """A session (``pid``) or a prepared transaction (``gid``) that others wait for.

    ``owner``: its role, '' for a process of the server's; ``doing``: the state, for a server's process which one;
    ``seconds``: age of the transaction, None where the role may not see it; ``waits``: whether it waits for somebody itself.
    """

    pid: int
    owner: str
    application: str
    doing: str
    seconds: float | None
    database: str
    gid: str = ""
    waits: bool = False

    @property
    def ending(self) -> str:
        """The statement that ends it, for a role that may."""
        if self.gid:
            return f"ROLLBACK PREPARED {literal(self.gid)}"
        # what runs is cancelled; a transaction that sits there, or that we cannot see, has nothing to cancel
        verb = "pg_cancel_backend" if self.doing == "active" or not self.owner else "pg_terminate_backend"
        return f"SELECT {verb}({self.pid})"

    @property
    def in_words(self) -> str:
        """Who, since when, and how it is ended."""
        age = "" if self.seconds is None else f", desde hace {duration(self.seconds)}"
        if self.gid:
            return (
                f"la transacción preparada «{self.gid}» de {self.owner}{age}, que nadie terminó; se descarta en la base "
                f"{self.database} con: {self.ending}"
            )
        who = f"{self.owner}, «{self.application}»" if self.owner else "un proceso del propio servidor"
        doing = f", {self.doing}" if self.doing else ", su estado no se deja ver"
        waits = ", que también espera" if self.waits else ""
        return f"el pid {self.pid} ({who}{doing}{age}){waits}; se termina con: {self.ending}"


def in_the_way(blockers: Iterable[Blocker]) -> str:
    """A sentence that names them, '' where there is none."""
    found = sorted(dict.fromkeys(blockers), key=lambda one: (one.waits, -(one.seconds or 0)))
    if not found:
        return ""
    more = f"; y {len(found) - NAMED_AT_MOST} más" if len(found) > NAMED_AT_MOST else ""
    return f"Lo impide {'; y '.join(one.in_words for one in found[:NAMED_AT_MOST])}{more}."


def waits_for(event: str, blockers: Iterable[Blocker], standbys: str) -> str:
    """What a session of ours waits for, as a sentence; '' where it works or waits for nobody in particular."""
    if event == SYNC_REPLICA:
        return (
            "el COMMIT espera a una réplica síncrona que no confirma "
            f"(synchronous_standby_names = {literal(standbys)}). Vuelva a ponerla en marcha, o que un superusuario la quite"
            " con: ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf()"
        )
    return in_the_way(blockers)
