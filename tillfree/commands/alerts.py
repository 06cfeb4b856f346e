"""``tillfree alerts``: tries the ways by which a store that runs tells people what is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from billing.webhooks import new_secret
from store_layout.errors import InputError
from tillfree.errors import NotAsExpected
from tillfree.live.alert_post import channels_of, try_channels
from tillfree.live.storefile import load_store_file
from tillfree.settings import load_settings
from tillfree.system import system_clock

alerts_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Who is told what is wrong in a store that runs."
)


@alerts_app.command("test")
def test(store: Annotated[Path, typer.Argument(help="The store file.", show_default=False)]) -> None:
    """Send a test message to everybody who is told, and say how it went; exit code 5 where one did not arrive."""
    config = load_store_file(store, os.environ)
    if config.alerts is None:
        raise InputError("says nobody who is told", file=store, field="alerts", mend="add 'webhook' or 'email'")
    channels = channels_of(config.alerts, config.store.name, load_settings(config.settings_path).page.zone)
    console, failed = Console(), []
    for name, problem in try_channels(channels, system_clock()):
        console.print(Text(f"{name}: {problem or 'taken'}", style="bold red" if problem else "green"), soft_wrap=True)
        failed += [name] if problem else []
    if failed:
        raise NotAsExpected(f"not delivered: {', '.join(failed)}")


@alerts_app.command("secret")
def secret() -> None:
    """Make a secret that webhooks are signed with, and show it; nothing keeps it."""
    typer.echo(new_secret())
