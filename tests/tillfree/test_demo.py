"""The demo at a terminal and without one."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from rich.console import Console

from tests.tillfree.live.camera_rig import REPO
from tillfree.commands.demo import SAMPLES, STORE, _store_file, wants_dashboard
from tillfree.live.storefile import STORE_FILE, load_store_file

LINK = re.compile(rb"(http://127\.0\.0\.1:\d+)/setup\?token=\S+")


@pytest.mark.parametrize(
    ("is_terminal", "environ", "wanted"),
    [(True, {}, True), (False, {}, False), (True, {"CI": "true"}, False), (True, {"CI": ""}, True)],
)
def test_the_dashboard_is_for_those_who_can_look(is_terminal: bool, environ: dict[str, str], wanted: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=is_terminal)
    assert wants_dashboard(console, environ) is wanted


@pytest.mark.parametrize("name", ["put-back", "four-crossing"])
def test_every_recording_has_a_store(tmp_path: Path, name: str) -> None:
    config = load_store_file(_store_file(tmp_path, SAMPLES / name), {})
    assert config.dashboard is not None
    assert len(config.feeds) + len(config.absent) == len(config.store.cameras)


@pytest.mark.slow
def test_at_a_terminal_it_ends_with_the_dashboard_and_ctrl_c_ends_that(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name != "CI"} | {"COLUMNS": "200"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tillfree", "demo", "--out", str(tmp_path)],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=REPO, env=environ, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while not (found := LINK.search(said)):
        said += os.read(ours, 4096)
    assert b"as expected" in said
    answer = httpx2.get(f"{found[1].decode()}/sign-in", timeout=20)
    assert answer.status_code == 200
    process.send_signal(signal.SIGINT)
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    assert process.wait(60) == 0, said[-2_000:]
    assert b"tillfree dashboard" in said
    assert (tmp_path / STORE / STORE_FILE).exists()
    os.close(ours)
