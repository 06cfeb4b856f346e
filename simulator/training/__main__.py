"""``python -m simulator.training images OUT``: render pictures to train a detector on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.training.pictures import Amount, render_split

app = typer.Typer(add_completion=False)


@app.callback()
def group() -> None:
    """Training material for detectors."""


@app.command()
def images(
    out: Annotated[Path, typer.Argument(help="Folder for images/SPLIT and labels/SPLIT.")],
    split: Annotated[str, typer.Option(help="train or val.")] = "train",
    seed: Annotated[int, typer.Option(help="Other seeds draw other stores, people and lights.")] = 1,
    stores: Annotated[int, typer.Option(min=1)] = 60,
    cameras: Annotated[int, typer.Option(min=1, help="Cameras in each store.")] = 3,
    pictures: Annotated[int, typer.Option(min=1, help="Pictures of each camera.")] = 8,
) -> None:
    """Render pictures of random stores with labels of people and hands. The same seed makes the same pictures."""
    amount = Amount(stores, cameras, pictures)
    total = stores * cameras * pictures
    for count, path in enumerate(render_split(out, split, seed, amount), start=1):
        if count % 50 == 0:
            typer.echo(f"{count} of at most {total}: {path.name}")


if __name__ == "__main__":
    app()
