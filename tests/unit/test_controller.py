"""Whether the process behind a lease is dead: what cannot be known is not, and two unknowns are not the same."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugins.plugin_utils import controller, playbook_leftovers

FAR = {"machine": "0" * 32, "boot": "00000000-0000-0000-0000-000000000000", "pids": "pid:[1]"}


def facts_of(pid: int) -> dict[str, Any]:
    """What an ansible-playbook of this machine writes down of itself."""
    process = {
        "machine": controller._read(controller.MACHINE_ID),
        "boot": controller._read(controller.BOOT_ID),
        "pids": controller._pid_space(),
        "start": controller._start(pid),
    }
    return {"host": socket.gethostname(), "pid": pid, "process": process}


@pytest.fixture
def dead() -> dict[str, Any]:
    """A process that has been here and is gone."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        facts = facts_of(process.pid)
        process.communicate(b"\n")
    return facts


def but(holder: dict[str, Any], **process: str) -> dict[str, Any]:
    return {**holder, "process": {**holder["process"], **process}}


def test_a_process_of_this_machine_that_is_gone_is_dead_and_one_that_lives_is_not(dead: dict[str, Any]) -> None:
    assert controller.is_dead(dead)
    assert not controller.is_dead(facts_of(os.getpid()))
    assert controller.is_dead(but(facts_of(os.getpid()), start="1"))  # its number was given anew


def test_a_process_of_another_machine_or_container_is_not_judged(dead: dict[str, Any]) -> None:
    assert not controller.is_dead({**dead, "host": "otra"})
    assert not controller.is_dead(but(dead, pids=FAR["pids"]))
    assert not controller.is_dead(but(dead, machine=FAR["machine"], boot=FAR["boot"]))


@pytest.mark.parametrize("unknown", [("machine",), ("machine", "boot"), ("machine", "boot", "pids"), ("boot",), ("pids",)])
def test_what_cannot_be_known_is_not_dead(
    unknown: tuple[str, ...], dead: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two machines of the same host name; neither has these, or only one of them."""
    monkeypatch.setattr(controller, "MACHINE_ID", tmp_path / "none" if "machine" in unknown else controller.MACHINE_ID)
    monkeypatch.setattr(controller, "BOOT_ID", tmp_path / "none" if "boot" in unknown else controller.BOOT_ID)
    if "pids" in unknown:
        monkeypatch.setattr(controller, "_pid_space", lambda: "")
    known = {name: value for name, value in FAR.items() if name not in unknown}
    assert not controller.is_dead(but(dead, **dict.fromkeys(unknown, ""), **known))
    if unknown != ("machine",):  # one boot and one space of process numbers are one machine
        assert not controller.is_dead(but(dead, **dict.fromkeys(unknown, "")))
    assert not controller.is_dead({**dead, "process": {}})
    assert not controller.is_dead({**dead, "pid": 0})


def test_an_image_that_two_containers_share_makes_them_no_one_machine(
    dead: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    other_boot = but(dead, boot=FAR["boot"])
    monkeypatch.setattr(controller, "_pid_space", lambda: "pid:[4026532000]")
    assert not controller.is_dead(but(other_boot, pids="pid:[4026532000]"))
    monkeypatch.setattr(controller, "_pid_space", lambda: controller.OUTERMOST)
    assert controller.is_dead(but(other_boot, pids=controller.OUTERMOST))  # started anew since
    assert not controller.is_dead(but(other_boot, pids="pid:[4026532000]"))


def test_a_folder_whose_owner_cannot_be_judged_stays(
    dead: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {"dead": dead, "elsewhere": but(dead, **FAR), "unknown": {**dead, "process": {}}}
    for name, facts in {"own": dead, **folders}.items():
        (tmp_path / name).mkdir()
        if name != "own":
            (tmp_path / name / playbook_leftovers.OWNER_MARK).write_text(json.dumps(facts), encoding="utf-8")
    monkeypatch.setattr(playbook_leftovers.constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "own"))
    playbook_leftovers.sweep_playbooks(facts_of(os.getpid()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "own", "unknown"]
