"""`tillfree replay`: a recording into carts, receipts and charges."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tillfree.console import ReplayScreen, show_receipts
from tillfree.replay import ReplayOptions
from tillfree.replay import replay as run_replay


def replay(
    recording: Annotated[Path, typer.Argument(help="A recording's folder, or its recording.yaml.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for log, receipts, video and report.")],
    weights: Annotated[
        Path | None, typer.Option(help="Detector weights: an OpenVINO folder, .pt, .onnx or .engine.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="A settings file instead of the recording's own.")] = None,
    tape: Annotated[Path | None, typer.Option(help="Drive the run from this tape instead of the video.")] = None,
    keep_tape: Annotated[
        bool, typer.Option("--keep-tape", help="Write a tape, to replay without the detector.")
    ] = False,
    video: Annotated[bool, typer.Option(help="Write the annotated video.")] = True,
    report: Annotated[bool, typer.Option(help="Write the report as a web page.")] = True,
    heads: Annotated[bool, typer.Option("--heads", help="Leave heads recognisable in video and report.")] = False,
    prices: Annotated[
        Path | None, typer.Option(help="Price file with times and promotions, in place of the layout's prices.")
    ] = None,
    billing: Annotated[
        str | None,
        typer.Option(
            help="URL of a billing service to charge through, in place of the embedded one.", show_default=False
        ),
    ] = None,
    billing_run: Annotated[
        str | None,
        typer.Option(
            help="What the service calls this run's visits; the recording's name if not said.", show_default=False
        ),
    ] = None,
    limit_s: Annotated[
        float | None, typer.Option("--seconds", min=0.1, help="Stop this many seconds after the recording's start.")
    ] = None,
) -> None:
    """Replay a recording: events, receipts and charges, and a video and a report to look at.

    The recording is taken as it is: its video, layout, catalogue and gate scans are all that is read.
    A run that was broken off leaves what it had; the same command does it again.
    """
    console = Console()
    options = ReplayOptions(
        weights,
        settings,
        tape,
        keep_tape,
        video,
        report,
        heads,
        limit_s,
        paths=False,
        prices=prices,
        billing_url=billing,
        billing_run=billing_run,
    )
    with ReplayScreen(console) as screen:
        result = run_replay(recording, out=out, options=options, listener=screen)
    show_receipts(console, result)
