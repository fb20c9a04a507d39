"""Every command of the runbook, in the order in which one can follow the other. A new phase joins with its lines here."""

from __future__ import annotations

from dataclasses import dataclass

FORWARD, BACK, VERIFY = "", "rollback", "verify"
ONE, TWO = {"fase0", "fase1", "2.1"}, {"fase0", "fase1", "2.1", "2.2"}


@dataclass(frozen=True)
class Step:
    """One command. ``leaves``: what stands afterwards, phases without parts by their name and parts by theirs.

    ``seconds``: how long it takes on an idle machine with the sample of the chaos loop; only moments are taken from it.
    """

    playbook: str
    tag: str
    subphase: str
    leaves: frozenset[str]
    seconds: float = 4.0

    @property
    def name(self) -> str:
        """How it is called in the output."""
        return " ".join(word for word in (self.playbook, self.subphase, self.tag) if word)

    @property
    def arguments(self) -> list[str]:
        """What stands behind the playbook's name."""
        return [*(["-e", f"subfase={self.subphase}"] if self.subphase else []), *(["--tags", self.tag] if self.tag else [])]

    @property
    def parts(self) -> frozenset[str]:
        """The subphases that stand afterwards."""
        return frozenset(part for part in self.leaves if not part.startswith("fase"))


# A walk in a circle: the last step leaves what the first one may follow.
CYCLE = (
    Step("fase0", FORWARD, "", frozenset({"fase0"})),
    Step("fase1", FORWARD, "", frozenset({"fase0", "fase1"})),
    Step("fase2", FORWARD, "2.1", frozenset(ONE)),
    Step("fase2", FORWARD, "", frozenset(TWO)),
    Step("fase3", FORWARD, "", frozenset({*TWO, "3"}), seconds=6.0),
    Step("fase3", VERIFY, "", frozenset({*TWO, "3"}), seconds=3.0),
    Step("fase3", BACK, "", frozenset(TWO), seconds=3.0),
    Step("fase2", BACK, "2.2", frozenset(ONE), seconds=3.0),
    Step("fase2", FORWARD, "2.2", frozenset(TWO)),
    Step("fase2", BACK, "", frozenset({"fase0", "fase1"}), seconds=3.0),
    Step("fase1", BACK, "", frozenset({"fase0"}), seconds=3.0),
)
