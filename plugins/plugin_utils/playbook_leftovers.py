"""The temporary folder of an ansible-playbook: a killed one cannot remove its own, so the next run of ours does."""

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


def _is_abandoned(folder: Path) -> bool:
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            return False
        return controller.is_dead(json.loads((folder / OWNER_MARK).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False
