"""Drawn scenarios as recordings, so that accuracy is a curve over difficulty and not a point.

    python -m benchmarks.scenarios --out DIR --drawn 1,2,4,8 --seeds 100-109 --jobs 2
    tillfree evaluate DIR/* --json FILE

Every recording is a folder of its own, such as ``drawn-4-100`` (four shoppers, seed 100), with its layout, its scenario and what was
rendered of it; the products' pictures are shared. A run that is broken off goes on where it was. Seeds below 100 are for tuning;
what is reported comes from seeds from 100 up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.scenarios.drawn import difficulty_for
from benchmarks.scenarios.make import Telling, drawing, render, write_told
from simulator.packaging import PackagingSpec, load_specs
from store_layout.errors import InputError

MOST_SHOPPERS = 8


@dataclass(frozen=True, slots=True)
class Case:
    """One recording to be made."""

    name: str
    tell: Telling


def main(
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    drawn: Annotated[str, typer.Option(help="How many shoppers the scenarios have, with commas between.")] = "1,2,4,8",
    seeds: Annotated[str, typer.Option(help="Seeds, such as 100-109 or 3,7.")] = "100-109",
    jobs: Annotated[int, typer.Option(min=1, help="Processes that render.")] = 1,
    truth_only: Annotated[bool, typer.Option("--truth-only", help="Write scans and truth, render nothing.")] = False,
) -> None:
    """Make recordings of drawn scenarios."""
    catalogue = load_specs()
    found = cases(numbers(drawn, "drawn"), numbers(seeds, "seeds"), catalogue)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        shown = {case.name: bar.add_task(case.name, total=None) for case in found}
        for case in found:
            make_case(case, out, catalogue, jobs, truth_only, _showing(bar, shown[case.name]))


def _showing(bar: Progress, task: object) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)  # type: ignore[arg-type]

    return show


def make_case(
    case: Case,
    out: Path,
    catalogue: Mapping[str, PackagingSpec],
    jobs: int,
    truth_only: bool,
    progress: Callable[[int, int], None],
) -> None:
    """Write one case's folder, unless it is there."""
    place = out / case.name
    loaded = write_told(place, case.tell, catalogue)
    render(place, loaded, jobs, truth_only, progress)


def cases(drawn: list[int], seeds: list[int], catalogue: Mapping[str, PackagingSpec]) -> list[Case]:
    """Return what to make. Raises InputError for more shoppers than there may be."""
    found = []
    for shoppers in drawn:
        if not 1 <= shoppers <= MOST_SHOPPERS:
            raise InputError(f"{shoppers} shoppers cannot be drawn", mend=f"name 1 to {MOST_SHOPPERS} with --drawn")
        for seed in seeds:
            name = f"drawn-{shoppers}-{seed}"
            found.append(Case(name, drawing(name, difficulty_for(shoppers), seed, catalogue)))
    return found


def numbers(text: str, what: str) -> list[int]:
    """Return the numbers of ``3,7,100-109``. Raises InputError for what is none."""
    found: list[int] = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        first, _, last = part.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise InputError(f"{part!r} is no number", field=what, mend="write 100-109 or 3,7")
        found += range(int(first), int(last or first) + 1)
    return found


if __name__ == "__main__":
    typer.run(main)
