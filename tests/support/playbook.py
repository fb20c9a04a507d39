"""Runs of the real ``ansible-playbook`` in a clean environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("ansible-playbook")


@dataclass(frozen=True)
class PlaybookRun:
    """What an ended run left."""

    rc: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        """Both streams, for messages of failed assertions and for searches."""
        return self.stdout + self.stderr


@dataclass
class RunningPlaybook:
    """A run in the background, in a process group of its own. Its output goes to files: no pipe that could fill."""

    process: subprocess.Popen[bytes]
    streams: tuple[Path, Path]
    started: float = field(default_factory=time.monotonic)

    def __enter__(self) -> RunningPlaybook:
        return self

    def __exit__(self, *_: object) -> None:
        """However the test ends: nothing of it goes on."""
        if self.process.poll() is None:
            self.kill_group()
            self.process.wait()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """To ansible-playbook alone, as an operator's kill would."""
        os.kill(self.process.pid, number)

    def kill_group(self, number: signal.Signals = signal.SIGKILL) -> None:
        """To ansible-playbook and all that it started, as far as it stayed in the group."""
        os.killpg(self.process.pid, number)

    def wait(self, timeout: float = 300) -> PlaybookRun:
        """Until ansible-playbook has ended; a run that takes longer is killed and raises."""
        try:
            rc = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_group()
            self.process.wait()
            raise
        stdout, stderr = (path.read_text(encoding="utf-8", errors="replace") for path in self.streams)
        return PlaybookRun(rc, stdout, stderr, time.monotonic() - self.started)


@dataclass(frozen=True)
class Playbooks:
    """Runs playbooks as the README says: in playbooks/, ``-i demo``, the address in the environment.

    ``home`` takes what ansible keeps of a user (~/.ansible) and the runs' output.
    """

    home: Path
    database_url: str | None
    inventory: str = "demo"
    extra: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    program: Path = PROGRAM
    directory: Path = ROOT / "playbooks"

    def run(self, name: str, *arguments: str, timeout: float = 300, **extra: object) -> PlaybookRun:
        """``ansible-playbook <name>.yml`` to its end; keywords are extra variables, beside the object's own."""
        return self.start(name, *arguments, **extra).wait(timeout)

    def start(self, name: str, *arguments: str, **extra: object) -> RunningPlaybook:
        """The same in the background."""
        stamp = f"{name}-{time.monotonic_ns()}"
        streams = (self.home / f"{stamp}.out", self.home / f"{stamp}.err")
        with open(streams[0], "wb") as stdout, open(streams[1], "wb") as stderr:
            process = subprocess.Popen(
                self.command(name, *arguments, **extra),
                cwd=self.directory,
                env=self.clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        return RunningPlaybook(process, streams)

    def command(self, name: str, *arguments: str, **extra: object) -> list[str]:
        """The command line, with the ansible-playbook of the interpreter that runs the tests."""
        # Only the tests of backups wait for one before each phase.
        variables = {**({"backup_max_hours": 0} if name.startswith("fase") else {}), **self.extra, **extra}
        given = ["-e", json.dumps(variables)] if variables else []
        return [str(self.program), f"{name}.yml", "-i", self.inventory, *given, *arguments]

    def clean_environment(self) -> dict[str, str]:
        """Nothing of the caller's: what works here works under ``env -i``."""
        path = os.pathsep.join((str(self.program.parent), "/usr/local/bin", "/usr/bin", "/bin"))
        address = {} if self.database_url is None else {"DATABASE_URL": self.database_url}
        return {"PATH": path, "HOME": str(self.home), "LC_ALL": "C.UTF-8", **address, **self.environment}
