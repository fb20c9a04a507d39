"""Whatever is cut off in the middle of a turn, the same call goes on and nothing is left over."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from plugins.module_utils.core.errors import MigrationError
from tests.support.compose import NAMED, Compose

pytestmark = [pytest.mark.once, pytest.mark.containers]
SLOW_TO_STOP = ["sh", "-c", "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done"]


def replacing(project: Compose) -> list[int]:
    """The processes of docker that replace a container of this project."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if project.name.encode() in words and b"up" in words and b"docker" in words[0]:
                found.append(int(folder.name))
    return found


def kill_compose(project: Compose, after: float, times: int) -> threading.Thread:
    """Kill each replacement that begins, so long after its beginning, so many times."""

    def wait_and_kill() -> None:
        for _ in range(times):
            until = time.monotonic() + 60
            while not (pids := replacing(project)) and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(after)
            for pid in {*pids, *replacing(project)}:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "after", [pytest.param(0.2, marks=pytest.mark.slow), 0.6, *(pytest.param(s, marks=pytest.mark.slow) for s in (1.0, 1.6, 2.2))]
)
def test_a_replacement_killed_half_way_is_done_again_and_leaves_no_container(project: Compose, after: float) -> None:
    project.write({"ai": {**NAMED, "container_name": f"{project.name}-x", "command": SLOW_TO_STOP, "stop_grace_period": "5s"}})
    project.up()
    killer = kill_compose(project, after, 1)
    project.switch()
    killer.join()
    assert project.modes() == {"ai": "false"}
    (only,) = project.containers()
    assert only["Name"] == f"/{project.name}-x"
    project.back()
    assert project.modes() == {"ai": "true"}


@pytest.mark.slow
def test_one_that_is_killed_each_time_is_said_and_the_way_back_clears_it(project: Compose) -> None:
    project.write({"ai": {**NAMED, "command": SLOW_TO_STOP}})
    project.up()
    killer = kill_compose(project, 0.6, 2)
    with pytest.raises(MigrationError, match="ai: el reemplazo de su contenedor se cortó dos veces"):
        project.switch()
    killer.join()
    project.back()
    assert project.modes() == {"ai": "true"}
    assert project.env.read_text() == "MIGRATION_MODE=true\n"
