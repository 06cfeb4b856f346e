"""`tillfree layout`: check a layout file, draw it, or fit a camera to a still."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from store_layout.checks import Problem
    from store_layout.fit import FitResult
    from store_layout.model import Camera, Store

layout_app = typer.Typer(no_args_is_help=True, add_completion=False)

LayoutFile = Annotated[Path, typer.Argument(metavar="FILE", help="The layout file (YAML).", show_default=False)]


@layout_app.callback()
def layout() -> None:
    """Check a layout, draw it, or fit a camera to it."""


@layout_app.command()
def check(file: LayoutFile) -> None:
    """List everything that is wrong with a layout file; exit code 2 if there is an error."""
    from store_layout.checks import check_store
    from store_layout.errors import LayoutError
    from store_layout.files import model_faults, read_store
    from store_layout.model import Store

    console = Console(soft_wrap=True, highlight=False)
    faults = model_faults(file, Store, LayoutError)
    if faults:
        for fault in faults:
            console.print(f"[bold red]error[/]    {escape(str(fault))}")
        raise LayoutError(_count(len(faults), "error"), file=file, mend="correct what is listed above")
    store = read_store(file)
    problems = check_store(store, file.parent)
    for problem in problems:
        _print_problem(console, problem)
    errors = sum(problem.severity == "error" for problem in problems)
    if errors:
        raise LayoutError(_count(errors, "error"), file=file, mend="correct what is listed above")
    warnings = _count(len(problems), "warning") if problems else "nothing to mend"
    slots = sum(len(shelf.slots) for gondola in store.gondolas for shelf in gondola.shelves)
    console.print(
        f"[bold green]good[/]     {escape(str(file))}: {_count(len(store.cameras), 'camera')}, "
        f"{_count(len(store.gates), 'gate')}, {_count(slots, 'slot')}, {_count(len(store.products), 'product')}; {warnings}"
    )


@layout_app.command()
def draw(
    file: LayoutFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="The picture to write, .png or .svg.")] = Path(
        "plan.png"
    ),
) -> None:
    """Draw the floor plan with the cameras' views, the shelf fronts and the products."""
    from store_layout.draw import draw_plan
    from store_layout.files import load_store
    from store_layout.geometry import StoreGeometry

    written = draw_plan(StoreGeometry(load_store(file)), output)
    Console(soft_wrap=True, highlight=False).print(f"wrote {escape(str(written))}")


@layout_app.command()
def fit(
    camera: Annotated[str, typer.Argument(help="The camera's id in the layout.", show_default=False)],
    points: Annotated[
        Path, typer.Option("--points", help="YAML: layout, and pixels with world points or slot corners.")
    ],
    still: Annotated[Path, typer.Option("--still", help="A picture of the camera, at its full resolution.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The still with the layout drawn over it.")] = Path(
        "fit.png"
    ),
    solve_focal: Annotated[
        bool, typer.Option("--solve-focal", help="The focal length is unknown: solve it too.")
    ] = False,
    solve_lens: Annotated[bool, typer.Option("--solve-lens", help="Solve the distortion's k1 too.")] = False,
) -> None:
    """Solve where a camera hangs from marked points, and print the block to paste into the layout."""
    from store_layout.files import load_store, read_model
    from store_layout.fit import MarkedPoints, camera_yaml, fit_camera, world_points
    from store_layout.geometry import StoreGeometry
    from store_layout.overlay import draw_marks, draw_over, read_picture, write_picture

    marked = read_model(points, MarkedPoints)
    store = load_store(points.parent / marked.layout)
    geometry = StoreGeometry(store)
    chosen = _camera(store, camera, points.parent / marked.layout)
    picture = read_picture(still, chosen.resolution_px)
    pixels, world_m = world_points(marked, geometry)
    result = fit_camera(chosen, pixels, world_m, solve_focal=solve_focal, solve_lens=solve_lens)
    write_picture(output, draw_marks(draw_over(picture, geometry, result.model), result.model, pixels, world_m))
    console = Console(soft_wrap=True, highlight=False)
    _print_fit(console, result)
    console.print(f"wrote {escape(str(output))}; paste this into the layout:\n")
    typer.echo(camera_yaml(result.camera))


def _camera(store: Store, camera_id: str, file: Path) -> Camera:
    from store_layout.errors import LayoutError

    for camera in store.cameras:
        if camera.id == camera_id:
            return camera
    known = ", ".join(camera.id for camera in store.cameras)
    raise LayoutError(f"there is no camera {camera_id!r}", file=file, field="cameras", mend=f"name one of {known}")


def _print_fit(console: Console, result: FitResult) -> None:
    from rich.table import Table

    table = Table("point", "pixel", "world (m)", "error px", "error cm")
    rows = zip(result.pixels, result.world_m, result.error_px, result.error_cm, strict=True)
    for number, (pixel, world, px, cm) in enumerate(rows, start=1):
        place = ", ".join(f"{value:.3f}" for value in world)
        table.add_row(str(number), f"{pixel[0]:.1f}, {pixel[1]:.1f}", place, f"{px:.2f}", f"{cm:.2f}")
    console.print(table)
    px, cm, sigma = result.error_px, result.error_cm, result.position_sigma_m
    console.print(f"error: {(px**2).mean() ** 0.5:.2f} px, {(cm**2).mean() ** 0.5:.2f} cm (root of the mean square)")
    console.print(
        f"worst: {px.max():.2f} px, {cm.max():.2f} cm; the position is good to about {100 * sigma.max():.1f} cm"
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _print_problem(console: Console, problem: Problem) -> None:
    mark = "[bold red]error[/]   " if problem.severity == "error" else "[bold yellow]warning[/] "
    console.print(f"{mark} {escape(str(problem))}")
