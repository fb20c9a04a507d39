"""Why a mutant that nobody finds is none of a check's affair: each survivor of make mutants has its reason here."""

from __future__ import annotations

import re

# The part, the rule ('' for any), what the line holds (a pattern), and why.
REASONS: list[tuple[str, str, str, str]] = []


def reason_of(part: str, rule: str, where: str) -> str:
    """Return why that survivor survives, '' where nobody has said."""
    for of, by, holds, why in REASONS:
        if of == part and by in ("", rule) and re.search(holds, where):
            return why
    return ""
