"""Every wait for a lock, by name: how long one try lasts, how many tries there are, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass

NAME = "lock_timeout"
# PostgreSQL's codes for a lock that was not to be had: not in time (lock_not_available), never (deadlock_detected).
LOCK_NOT_AVAILABLE = "55P03"
CLASHES = (LOCK_NOT_AVAILABLE, "40P01")
# The net under every session of ours: steps that touch tables in use take one of the waits below.
SESSION = "10s"
# No wait, but the other measure of time: seconds that the runner's clock may differ from the server's.
CLOCKS_APART = 60


@dataclass(frozen=True)
class Wait:
    """One way to wait: at most ``timeout_ms`` milliseconds a try, at most ``tries`` tries, each a transaction of its own."""

    timeout_ms: int
    tries: int

    @property
    def sql(self) -> str:
        """The statement that bounds every lock of the transaction that is open."""
        return f"SET LOCAL {NAME} = {self.timeout_ms}"

    @property
    def session_sql(self) -> str:
        """The statement that bounds every lock of a session, for a DBA at psql."""
        return f"SET {NAME} = {self.timeout_ms}"

    def __str__(self) -> str:
        """As the operator reads it."""
        return f"{self.tries} intentos de {self.timeout_ms} ms"


# The rows of a batch, and what the forward SELECT reads beside them: above 200 ms our batches take part in deadlocks of
# writers (docs/decisions/backfill.md). Each try that clashes takes a quarter of the rows, so many tries are few seconds.
ROWS = Wait(200, 40)
# The rows that a proof looks at again: as ROWS, but nobody needs them at once, and what stays locked ends the proof.
LOOK = Wait(200, 12)
# Tables made, emptied or dropped: whoever comes after a waiting DDL waits with it, so half a second at most.
DDL = Wait(500, 20)
# A trigger on a table in use, made or taken away: every write that comes after it waits with it, and readers do where one goes.
NEW_TRIGGER = Wait(50, 60)
# Every legacy and every Spanish table at once, away to the archive and back: each lock may take so long, all of them together a
# second at the very most, and nobody waits longer for a table that we only want.
MOVE = Wait(40, 60)
# A secondary index that goes before the load: readers of the table would wait too; the load works without it as well.
DROP_INDEX = Wait(100, 15)
# CREATE INDEX CONCURRENTLY waits for every older transaction, and waiting it blocks nobody's writes: so long may it be.
BUILD_INDEX = Wait(600_000, 2)
# What fase0 only tries and rolls back: a table that is busy is tried again a little later.
TRIAL = Wait(50, 10)
# The tables that pg_dump locks at its beginning, before anybody can wait behind it: longer means that somebody alters one.
DUMP_LOCKS = Wait(2000, 1)
