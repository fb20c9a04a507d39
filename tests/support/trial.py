"""A scenario that runs beside others, under a name of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryFile

ROOT = Path(__file__).resolve().parents[2]


def docker(*words: str) -> list[str]:
    """What docker says, a line each."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.split()


class Trial:
    """``with Trial(...) as trial``: starts a scenario; at the end of the block nothing of it is left, images neither."""

    def __init__(self, name: str, scenario: str, **environment: str) -> None:
        self.name = f"{name}-{os.getpid()}"
        own = {"RUNBOOK_NAME": self.name, "NO_COLOR": "1", **environment}
        self._output = TemporaryFile()  # noqa: SIM115  closed with the trial
        self._process = subprocess.Popen(
            [ROOT / "molecule/shared/run.sh", scenario],
            cwd=ROOT,
            env={**os.environ, **own},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def said(self) -> str:
        """What it has said so far."""
        return os.pread(self._output.fileno(), 1 << 26, 0).decode(errors="replace")

    def ended(self) -> bool:
        """Whether it has come to its end."""
        return self._process.poll() is not None

    def end(self) -> tuple[str, int]:
        """Wait for the end; output and exit code."""
        code = self._process.wait()
        return self.said(), code

    def send(self, number: signal.Signals) -> None:
        """To all its processes, as a terminal's Ctrl-C."""
        os.killpg(self._process.pid, number)

    def containers(self) -> list[str]:
        """Its containers, stopped ones too."""
        return docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"name=^{self.name}-")

    def processes(self) -> list[str]:
        """Every process of this machine that has its name in the environment."""
        mark, found = f"RUNBOOK_NAME={self.name}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_text(errors="replace").replace("\0", " "))
            except OSError:  # gone meanwhile
                continue
        return found

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.ended():
            self.send(signal.SIGINT)
        self._process.wait()
        self._output.close()
        for kept in ROOT.glob(f".molecule/{self.name}-*"):
            shutil.rmtree(kept)
        for tag in docker("image", "ls", "--format", "{{.Repository}}", "--filter", f"reference={self.name}-*"):
            docker("image", "rm", tag)
