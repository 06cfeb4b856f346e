"""The command line: finds the command, runs it, and turns every error into one line and an exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
import typer.core
from rich.console import Console

from tillfree.errors import ExitCode, MissingExtra, NotAsExpected, OutOfReach

# name: (module, attribute, one line of help). The line stands here so that `tillfree --help`
# need not import what the commands need.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("tillfree.commands.demo", "demo", "Run the main job on a bundled recording and show the receipts."),
    "run": ("tillfree.commands.run", "run", "Run a store: cameras, gates and billing, until it is told to end."),
    "dashboard": (
        "tillfree.commands.dashboard",
        "dashboard",
        "Look at a run that has ended, on the pages that it had.",
    ),
    "vision-worker": (
        "tillfree.commands.vision_worker",
        "vision_worker",
        "Look at some of a store's cameras, and tell its coordinator what they see.",
    ),
    "replay": ("tillfree.commands.replay", "replay", "Replay a recording into carts, receipts and charges."),
    "evaluate": ("tillfree.commands.evaluate", "evaluate", "Replay recordings and score them against their truth."),
    "recording": ("tillfree.commands.recording", "recording_app", "Make a recording of your own videos, or check one."),
    "layout": ("tillfree.commands.layout", "layout_app", "Check a layout, draw it, or fit a camera to it."),
    "simulate": ("tillfree.commands.simulate", "simulate", "Render a scenario into a recording with exact truth."),
    "billing": ("tillfree.commands.billing", "billing_app", "Serve billing; reconcile, export or migrate its books."),
    "gate": ("tillfree.commands.gate", "gate_app", "Stand in for a gate's reader, or connect one; look after keys."),
    "reviews": ("tillfree.commands.reviews", "reviews_app", "List and answer what the store asks its operators."),
    "health": ("tillfree.commands.health", "health", "Show how a running store's cameras, gates and engine are."),
    "alerts": (
        "tillfree.commands.alerts",
        "alerts_app",
        "Try the ways by which a store tells people what is wrong.",
    ),
    "stock": ("tillfree.commands.stock", "stock", "Write a store's stock, what to bring, or sales to a file."),
    "models": ("tillfree.commands.models", "models_app", "List detector weights, or fetch the COCO ones."),
    "samples": ("tillfree.commands.samples", "samples_app", "Fetch public real recordings."),
}


class LazyCommands(typer.core.TyperGroup):
    """A group whose commands are imported when they are run, not when they are listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stand-in that knows its help line; resolve_command brings the real one."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        return typer.core.TyperCommand(cmd_name, help=COMMANDS[cmd_name][2])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is to run."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else load_command(name), rest


def load_command(name: str) -> Any:
    """Import the command ``name`` and return it as click sees it."""
    module_name, attribute, help_line = COMMANDS[name]
    target: Any = getattr(importlib.import_module(module_name), attribute)
    if not isinstance(target, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode="rich")
        app.command(name)(target)
        target = app
    command: Any = typer.main.get_command(target)
    command.name = name
    command.help = command.help or help_line
    return command


app = typer.Typer(
    cls=LazyCommands,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 a mistake in Tillfree, 2 bad input, 3 a missing part, 4 out of reach, "
    "5 not as expected, 130 broken off.",
)


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"tillfree {version('tillfree')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True)] = False,
) -> None:
    """Tillfree: cameras in; carts, receipts and charges out."""
    del debug, version


def _complain(console: Console, text: str) -> None:
    console.print(f"[bold red]error:[/] {_escape(text)}", soft_wrap=True, highlight=False)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _answer(error: BaseException, console: Console) -> ExitCode:
    """Print one line for ``error`` and return the exit code that stands for it."""
    from store_layout.errors import InputError

    if isinstance(error, KeyboardInterrupt | typer.Abort):
        _complain(console, "broken off; run the same command again to go on or repeat it")
        return ExitCode.BROKEN_OFF
    for kind, code in (
        (InputError, ExitCode.BAD_INPUT),
        (MissingExtra, ExitCode.MISSING_EXTRA),
        (OutOfReach, ExitCode.OUT_OF_REACH),
        (NotAsExpected, ExitCode.NOT_AS_EXPECTED),
    ):
        if isinstance(error, kind):
            _complain(console, str(error))
            return code
    _complain(console, f"{type(error).__name__}: {error} (this is a mistake in Tillfree; --debug shows where)")
    return ExitCode.MISTAKE_IN_TILLFREE


def _is_usage_error(error: BaseException) -> bool:
    """Tell whether the command line parser complains; typer keeps that base class to itself."""
    return isinstance(error, typer.BadParameter) or (hasattr(error, "show") and hasattr(error, "exit_code"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. The outermost loop: here, and only here, all errors end."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    # --debug is understood anywhere on the line, since that is where people add it
    given = [word for word in given if word != "--debug"]
    console = Console(stderr=True)
    try:
        result = typer.main.get_command(app).main(given, prog_name="tillfree", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where every error becomes a line
        if _is_usage_error(error):
            error.show()  # type: ignore[union-attr]
            return int(ExitCode.BAD_INPUT)
        if debug:
            console.print_exception()
        return int(_answer(error, console))
    if result == ExitCode.BROKEN_OFF:  # typer turns Ctrl-C into this code and says nothing
        return int(_answer(KeyboardInterrupt(), console))
    return int(result) if isinstance(result, int) else 0


def run() -> None:
    """Entry point of the `tillfree` script."""
    sys.exit(main())
