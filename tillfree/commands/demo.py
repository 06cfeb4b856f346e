"""`tillfree demo`: the main job on a bundled recording."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console

from recordings.files import load_recording
from store_layout.errors import InputError
from tillfree.console import ReplayScreen, show_receipts
from tillfree.errors import NotAsExpected
from tillfree.evaluation.expected import Expected, differences, load_expected
from tillfree.live.storefile import STORE_FILE, load_store_file
from tillfree.replay import ReplayOptions, replay

SAMPLES = Path(__file__).resolve().parents[2] / "sample_videos"
DEFAULT = "put-back"
STORE = "store"
"""Where the demo's store is, within its folder."""
_LISTEN, _DASHBOARD = 8400, 8500


def demo(
    name: Annotated[str, typer.Argument(help="The bundled recording to replay.")] = DEFAULT,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for log, receipts, video and report.")] = Path(
        "out/demo"
    ),
    dashboard: Annotated[
        bool | None,
        typer.Option(
            "--dashboard/--no-dashboard", help="Serve the dashboard afterwards.", show_default="at a terminal"
        ),
    ] = None,
) -> None:
    """Run the main job on a bundled recording: from its pixels to receipts and charges. Then serve it on the dashboard.

    The dashboard shows the recording again and again, as if it were live, until Ctrl-C; it is left out where there is no
    terminal, or CI is set. `tillfree dashboard` shows what it left. Ends with exit code 5 where the receipts differ from those that the recording's truth expects.
    """
    place = _find(name)
    loaded, expected = load_recording(place), load_expected(place) or Expected(version=1)
    console = Console()
    console.print(f"Replaying [bold]{name}[/]: video, layout and gate scans in; carts, receipts and charges out.")
    with ReplayScreen(console) as screen:
        result = replay(place, out=out, options=ReplayOptions(video=True, report=True), listener=screen)
    show_receipts(console, result)
    # the scores are held by `tillfree evaluate --check`; the demo is about the receipts
    receipts_only = expected.model_copy(update={"scores": {}})
    found = differences(loaded.recording, result.outcome, {}, receipts_only)
    if found:
        raise NotAsExpected(f"the receipts are not those expected: {'; '.join(found)}")
    console.print("[green]All receipts are as expected.[/] Open the report in a browser.")
    if wants_dashboard(console, os.environ) if dashboard is None else dashboard:
        _serve(console, place, out / STORE)


def wants_dashboard(console: Console, environ: Mapping[str, str]) -> bool:
    """Tell whether somebody is there to look."""
    return console.is_terminal and not environ.get("CI")


def _serve(console: Console, place: Path, folder: Path) -> None:
    """Play the recording as if it were live, in a new store in ``folder``, in place of the last demo's."""
    from tillfree.commands.run import run_store  # takes a second, which the replay need not wait for
    from tillfree.live.store import AsLive

    if (folder / STORE_FILE).exists():
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    config = load_store_file(_store_file(folder, place), {})
    console.print("\nThe recording now plays again and again, as if it were live. Ctrl-C ends it.")
    run_store(config, AsLive(place, loop=True), None, console)
    console.print(f"To look at what it left: [bold]tillfree dashboard {folder}[/]", soft_wrap=True)


def _store_file(folder: Path, place: Path) -> Path:
    """Write a store file whose cameras are the recording's, on ports that are free."""
    loaded = load_recording(place)
    cameras = [{"id": camera, "source": str(path.resolve())} for camera, path in loaded.paths.items()]
    document = {
        "version": 1,
        "layout": str(loaded.layout_path.resolve()),
        "cameras": cameras,
        "absent": [camera.id for camera in loaded.store.cameras if camera.id not in loaded.paths],
        "listen": {"port": _port(_LISTEN)},
        "dashboard": {"port": _port(_DASHBOARD)},
    }
    file = folder / STORE_FILE
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def _port(wanted: int) -> int:
    """Return ``wanted``, or another port where a program has it."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as taken:
            return int(taken.getsockname()[1])
    raise InputError("no port of this machine is free", mend="end another program")


def _find(name: str) -> Path:
    bundled = sorted(each.parent.name for each in SAMPLES.glob("*/recording.yaml"))
    if name not in bundled:
        mend = f"there are: {', '.join(bundled)}" if bundled else "run this in a checkout of the repository"
        raise InputError(f"there is no bundled recording '{name}'", mend=mend)
    return SAMPLES / name
