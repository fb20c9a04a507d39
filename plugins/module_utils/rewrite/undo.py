"""Back to what was checked out before: by what the ledger remembers of each repository. The branch stays."""

from __future__ import annotations

import os
from pathlib import Path

from ..core.errors import MigrationError
from .repository import BRANCH, Checkout, run_git


def keep_as_patch(checkout: Checkout, folder: Path, run_id: str) -> str:
    """Keep what an interrupted run left in the tree as a patch, then restore the tree: the patch's path, '' for a clean one.

    Only for a checkout on our own branch that the ledger shows as begun: nothing of it is thrown away.
    """
    if not checkout.dirty:
        return ""
    patch = run_git(checkout.path, "diff", "--binary", "HEAD").stdout
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    where = folder / f"{run_id}.{checkout.name}.patch"
    with open(os.open(where, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(patch)
        file.flush()
        os.fsync(file.fileno())
    run_git(checkout.path, "reset", "--hard", "--quiet", "HEAD")
    return str(where)


def check_out(checkout: Checkout, before: str) -> None:
    """Check out what was there before fase4. Raises MigrationError, code refused, for changes that nobody has committed."""
    if checkout.dirty:
        raise MigrationError(
            f"{checkout.path} tiene cambios sin confirmar en {', '.join(checkout.dirty[:5])}",
            left=f"La rama {BRANCH} y esos cambios quedan.",
            move="Confírmelos o guárdelos (git stash) y repita la orden.",
            code="refused",
        )
    run_git(checkout.path, "checkout", "--quiet", before, "--")
