"""Temporary folders of killed runs are removed by the next run; nobody else's are."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from ansible.parsing.dataloader import DataLoader

from plugins.module_utils.call import leftovers
from plugins.plugin_utils import controller, playbook_leftovers

LIVING_MODULE = """import sys; from pathlib import Path; from plugins.module_utils.call import leftovers
leftovers.sweep_modules(Path(sys.argv[1]))"""


def facts_of(pid: int) -> dict[str, Any]:
    process = {**controller.describe_caller(".", {}, DataLoader())["process"], "start": controller._start(pid)}
    return {"host": socket.gethostname(), "pid": pid, "process": process}


def local_folder(parent: Path, name: str, facts: Mapping[str, Any] | None) -> Path:
    folder = parent / f"ansible-local-{name}"
    folder.mkdir()
    if facts is not None:
        (folder / playbook_leftovers.OWNER_MARK).write_text(json.dumps(facts), encoding="utf-8")
    return folder


def test_the_guard_removes_the_folders_of_dead_runs_of_ours_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        facts = facts_of(running.pid)
        alive = local_folder(tmp_path, "alive", facts)
        dead = local_folder(tmp_path, "dead", {**facts, "pid": 2**22 - 1})
        elsewhere = local_folder(tmp_path, "elsewhere", {**facts, "pid": 2**22 - 1, "host": "otra"})
        unmarked, own = local_folder(tmp_path, "unmarked", None), local_folder(tmp_path, "own", None)
        monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(own))
        playbook_leftovers.sweep_playbooks(facts_of(os.getpid()))
        assert [folder.exists() for folder in (alive, dead, elsewhere, unmarked, own)] == [True, False, True, True, True]
        running.communicate(b"\n")
    playbook_leftovers.sweep_playbooks(facts_of(os.getpid()))
    assert not alive.exists()


def test_a_module_removes_the_folders_of_killed_modules_only(tmp_path: Path) -> None:
    folders = [tmp_path / f"ansible_tinkubot.migracion.table_copy_payload_{name}" for name in ("alive", "foreign", "own")]
    for folder in folders:
        folder.mkdir()
    alive, foreign, own = folders
    stay_alive = f"{LIVING_MODULE}; print(flush=True); input()"
    command = [sys.executable, "-c", stay_alive, str(alive)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as running:
        assert running.stdout is not None
        running.stdout.readline()
        assert (alive / leftovers.LOCK_MARK).exists()
        leftovers.sweep_modules(own)
        assert all(folder.exists() for folder in folders)
        running.send_signal(signal.SIGKILL)
    leftovers.sweep_modules(own)
    assert [folder.exists() for folder in (alive, foreign, own)] == [False, True, True]
