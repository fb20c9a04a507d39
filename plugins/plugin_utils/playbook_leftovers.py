"""The temporary folder of an ansible-playbook: what its tasks leave each other, and what a killed one cannot remove.

No fact, since a fact cache hands those to the next run, and a site may keep them from becoming variables.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible import constants

from . import controller

OWNER_MARK = "tinkubot.json"


def sweep_playbooks(facts: Mapping[str, Any]) -> None:
    """Mark this run's folder with who it is (``controller.describe_caller``), and remove those of runs of ours that are dead.

    A folder without a mark is somebody else's, one whose run cannot be judged from here stays.
    """
    own = Path(constants.DEFAULT_LOCAL_TMP)
    with suppress(OSError):
        (own / OWNER_MARK).write_text(json.dumps({name: facts[name] for name in ("host", "pid", "process")}), encoding="utf-8")
        for folder in own.parent.iterdir():
            if folder != own and _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)  # another run may sweep it too


def note(name: str, value: str) -> None:
    """Leave something for the later tasks of this ansible-playbook, and for nobody else."""
    mark = Path(constants.DEFAULT_LOCAL_TMP) / OWNER_MARK
    with suppress(OSError, ValueError):
        mark.write_text(json.dumps({**json.loads(mark.read_text(encoding="utf-8")), name: value}), encoding="utf-8")


def noted(name: str) -> str:
    """What an earlier task of this ansible-playbook left under that name, '' where none did."""
    with suppress(OSError, ValueError):
        return str(json.loads((Path(constants.DEFAULT_LOCAL_TMP) / OWNER_MARK).read_text(encoding="utf-8")).get(name, ""))
    return ""


def _is_abandoned(folder: Path) -> bool:
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            return False
        return controller.is_dead(json.loads((folder / OWNER_MARK).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False
