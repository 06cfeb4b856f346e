"""`tillfree demo`: the main job on a bundled recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from recordings.files import load_recording
from store_layout.errors import InputError
from tillfree.console import ReplayScreen, show_receipts
from tillfree.errors import NotAsExpected
from tillfree.evaluation.expected import Expected, differences, load_expected
from tillfree.replay import ReplayOptions, replay

SAMPLES = Path(__file__).resolve().parents[2] / "sample_videos"
DEFAULT = "put-back"


def demo(
    name: Annotated[str, typer.Argument(help="The bundled recording to replay.")] = DEFAULT,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for log, receipts, video and report.")] = Path(
        "out/demo"
    ),
) -> None:
    """Run the main job on a bundled recording: from its pixels to receipts and charges.

    Ends with exit code 5 where the receipts differ from those that the recording's truth expects.
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


def _find(name: str) -> Path:
    bundled = sorted(each.parent.name for each in SAMPLES.glob("*/recording.yaml"))
    if name not in bundled:
        mend = f"there are: {', '.join(bundled)}" if bundled else "run this in a checkout of the repository"
        raise InputError(f"there is no bundled recording '{name}'", mend=mend)
    return SAMPLES / name
