"""Whether a copy may go on, goes on more slowly or has to wait, judged by what the server says of others. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..words import size

LAG_SECONDS = 10.0
LAG_BYTES = 64 * 2**20
# Less than this share of max_slot_wal_keep_size left before a slot loses what its consumer has not read yet.
SLOT_SHARE = 0.25
RETAINED_BYTES = 4 * 2**30  # by a slot that keeps WAL without limit: the disk pays for it
OLD_SECONDS = 600.0  # a transaction open for so long keeps VACUUM from its work, on what we write too


@dataclass(frozen=True)
class Standby:
    """Who follows by streaming. ``seconds`` and ``bytes`` behind: None where the role may not see them."""

    name: str
    seconds: float | None
    bytes: int | None


@dataclass(frozen=True)
class Slot:
    """A replication slot. ``safe``: bytes that may still be written before it loses WAL; None where it never does."""

    name: str
    active: bool
    status: str
    safe: int | None
    retained: int


@dataclass(frozen=True)
class Transaction:
    """A transaction of somebody else, open for ``seconds``."""

    pid: int
    role: str
    application: str
    seconds: float


@dataclass(frozen=True)
class ServerLoad:
    """What a look at the server found. ``slot_limit``: max_slot_wal_keep_size in bytes, None for no limit."""

    standbys: tuple[Standby, ...] = ()
    slots: tuple[Slot, ...] = ()
    slot_limit: int | None = None
    oldest: Transaction | None = None

    @property
    def hidden(self) -> int:
        """How many standbys do not show how far behind they are."""
        return sum(standby.bytes is None for standby in self.standbys)

    def objection(self) -> str:
        """Return why no batch may run now, who follows the server being too far behind; '' where nobody is."""
        return "; ".join([*_standbys(self), *_slots(self)])

    def drag(self) -> str:
        """Return why batches run at half their pace, '' where nothing slows them."""
        old = self.oldest
        if old is None or old.seconds <= OLD_SECONDS:
            return ""
        return (
            f"la transacción del pid {old.pid} ({old.role}, «{old.application}») está abierta desde hace "
            f"{old.seconds / 60:.0f} min y no deja limpiar a VACUUM"
        )


@dataclass(frozen=True)
class Verdict:
    """``wait``: why no batch may run now; ``slow``: why batches run at half their pace. Both in words, '' for no reason."""

    wait: str = ""
    slow: str = ""


def _standbys(load: ServerLoad) -> Iterator[str]:
    for standby in load.standbys:
        behind, seconds = standby.bytes, standby.seconds or 0.0
        if behind is None:
            continue
        # The last measured time stays there after the standby has caught up: only with bytes does it mean something.
        if behind > LAG_BYTES or (seconds > LAG_SECONDS and behind > LAG_BYTES // 64):
            late = f"{seconds:.0f} s y " if seconds else ""
            yield f"la réplica {standby.name} va {late}{size(behind)} por detrás"


def _slots(load: ServerLoad) -> Iterator[str]:
    for slot in load.slots:
        idle = "" if slot.active else ", y ahora no la lee nadie"
        if slot.status == "lost":
            continue  # there is nothing left that a copy could spoil
        if slot.status == "unreserved" or (
            slot.safe is not None and load.slot_limit is not None and slot.safe < load.slot_limit * SLOT_SHARE
        ):
            yield f"la ranura de replicación {slot.name} perderá su WAL dentro de {size(max(slot.safe or 0, 0))} escritos{idle}"
        elif slot.safe is None and slot.retained > RETAINED_BYTES:
            yield f"la ranura de replicación {slot.name} retiene {size(slot.retained)} de WAL en el disco{idle}"
