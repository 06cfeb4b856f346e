"""``tillfree models``: which detector weights there are, and how to get those trained on filmed people."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tillfree.errors import MissingExtra, OutOfReach
from vision.detectors.weights import BUNDLED_NAME, FETCHED_NAME, bundled_weights, find_weights, user_data_dir

MODEL = "yolo11n-pose"
DOWNLOAD = "6 MB from ultralytics' releases on GitHub, AGPL-3.0, trained on COCO's keypoints"
INPUT_HEIGHT_WIDTH_PX = [384, 640]

models_app = typer.Typer(no_args_is_help=True)


@models_app.command("list")
def list_models(
    data_dir: Annotated[Path | None, typer.Option(help="Where fetched weights are kept.")] = None,
) -> None:
    """Show which weights are here, and which of them a run would use."""
    place = data_dir or user_data_dir()
    known = {"fetched": (FETCHED_NAME, place / FETCHED_NAME), "bundled": (BUNDLED_NAME, bundled_weights())}
    for origin, (name, path) in known.items():
        typer.echo(f"{origin:8} {name:34} {path if path.exists() else 'not here'}")
    used = find_weights(data_dir=place)
    typer.echo(f"a run without --weights uses: {used.path} ({used.origin})")


@models_app.command()
def fetch(
    data_dir: Annotated[Path | None, typer.Option(help="Where to keep them.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Fetch them even where they are here already.")] = False,
) -> None:
    """Download YOLO11n-pose, trained on filmed people, and turn it into an OpenVINO model."""
    target = (data_dir or user_data_dir()) / FETCHED_NAME
    if target.exists() and not again:
        typer.echo(f"already here: {target} (--again fetches them anew)")
        return
    typer.echo(f"downloads {MODEL}.pt: {DOWNLOAD}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        exported = download_and_export(Path(work))
        if target.exists():
            shutil.rmtree(target)
        exported.replace(target)
    typer.echo(f"stored: {target}")


def download_and_export(work: Path) -> Path:
    """Download the weights into ``work`` and return the OpenVINO folder made of them (float16 weights).

    Raises MissingExtra without ultralytics and OutOfReach without internet.
    """
    try:
        from ultralytics import YOLO
    except ImportError as error:
        raise MissingExtra('fetching weights needs ultralytics: pip install "tillfree[ultralytics]"') from error
    try:
        model = YOLO(str(work / f"{MODEL}.pt"))
    except OSError as error:  # ultralytics raises ConnectionError, or FileNotFoundError in older versions
        raise OutOfReach(
            f"{MODEL}.pt could not be downloaded; is there internet? --weights takes weights that you have"
        ) from error
    return Path(model.export(format="openvino", imgsz=INPUT_HEIGHT_WIDTH_PX, half=True))
