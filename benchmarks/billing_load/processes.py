"""Servers of their own: PostgreSQL in a folder, and ``tillfree billing serve`` in a process that can be killed."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READY_WITHIN_S = 60.0
_POLL_S = 0.02


class ServerError(Exception):
    """A server does not start or does not get ready; says what it said."""


class NotInstalled(ServerError):
    """A server's programs are not on this machine."""


@contextlib.contextmanager
def running_postgres(place: Path, *settings: str) -> Iterator[Path]:
    """Run a PostgreSQL on the data in ``place``, which are made if missing, and yield the folder of its socket.

    Raises NotInstalled where PostgreSQL is not.
    """
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs and shutil.which("initdb") is None:
        raise NotInstalled("needs PostgreSQL: the Debian package postgresql")
    programs = programs or [Path(shutil.which("initdb") or "").parent]
    as_user: list[str] = []
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(place, "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    run = functools.partial(subprocess.run, check=True, capture_output=True, cwd="/")
    if not (place / "data").exists():
        run([*as_user, str(programs[-1] / "initdb"), *f"-D {place}/data --no-sync -U till -A trust -E UTF8".split()])
    control = [*as_user, str(programs[-1] / "pg_ctl"), "-D", f"{place}/data", "-w", "-l", f"{place}/log"]
    options = ["listen_addresses=''", f"unix_socket_directories={place}", "max_connections=200", *settings]
    run([*control, "-o", " ".join(f"-c {option}" for option in options), "start"])
    try:
        yield place
    finally:
        run([*control, "-m", "fast", "stop"])


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class ServiceProcess:
    """``tillfree billing serve`` on a database, with the sandbox's books in ``journal``."""

    database: Path | str
    prices: Path
    journal: Path
    log: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it answers. Raises ServerError if it does not within a minute."""
        command = [sys.executable, "-m", "tillfree", "billing", "serve", str(self.database)]
        command += ["--prices", str(self.prices), "--sandbox-journal", str(self.journal), "--port", str(self.port)]
        command += ["--secrets", str(self.journal.with_suffix(".secrets"))]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until_s = time.perf_counter() + READY_WITHIN_S
        while not self._is_ready():
            if self._ended_within(_POLL_S) or time.perf_counter() > until_s:
                self.kill()
                raise ServerError(f"the service did not get ready: {self.log.read_text(encoding='utf-8')[-2_000:]}")

    def kill(self) -> None:
        """End it with SIGKILL: it gets no chance to write anything more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(signal.SIGTERM)

    def cpu_s(self) -> float:
        """Return the processor seconds that it has used."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(READY_WITHIN_S)
            self.process = None

    def _ended_within(self, seconds: float) -> bool:
        assert self.process is not None
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
