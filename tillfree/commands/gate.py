"""``tillfree gate``: stands in for a reader at a gate, connects one that types, and looks after a store's keys."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from billing.access import Scope
from billing.errors import AccessDenied
from billing.http.times import rfc3339
from store_layout.errors import InputError
from tillfree.errors import NotAsExpected
from tillfree.live.client import NODE_URL, NodeClient
from tillfree.live.keys import NodeKeys
from tillfree.live.readers import post_scans
from tillfree.live.readers.keyboard import KeyboardReader
from tillfree.system import system_clock

gate_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Gates of a store that runs.")
keys_app = typer.Typer(no_args_is_help=True, help="Keys of readers and screens, where billing is elsewhere.")
gate_app.add_typer(keys_app, name="keys")

Url = Annotated[str, typer.Option(help="Where the store's machine listens; its key is in TILLFREE_NODE_KEY.")]
Gate = Annotated[str, typer.Option(help="The gate, as the layout calls it.", show_default=False)]
KeysFile = Annotated[Path, typer.Argument(help="The machine's file of keys.", show_default=False)]
KeyName = Annotated[str, typer.Argument(help="What to call it, such as reader-1.", show_default=False)]

_STYLES = {"admit": "bold green", "deny": "bold red", "call_staff": "bold yellow"}


@gate_app.command("scan")
def scan(
    gate: Gate,
    url: Url = NODE_URL,
    token: Annotated[str | None, typer.Option(help="A card's token, or cash or staff.", show_default=False)] = None,
    entry_pass: Annotated[
        str | None, typer.Option("--pass", help="The 246 digits of an entry pass.", show_default=False)
    ] = None,
    party_size: Annotated[int, typer.Option(min=1, max=50, help="People who come in on this scan.")] = 1,
    scan_id: Annotated[str | None, typer.Option(help="A name to send it again by.", show_default=False)] = None,
) -> None:
    """Scan at a gate as a reader would; exit code 0 lets in, 5 does not."""
    if (token is None) == (entry_pass is None):
        raise InputError("one thing is shown at a gate", field="--token", mend="give --token or --pass, one of them")
    with closing(NodeClient(url)) as client:
        said = client.scan(gate, entry_pass=entry_pass, token=token, party_size=party_size, scan_id=scan_id)
    _show(Console(), said["outcome"], said["sentence"])
    if said["visit_id"] is not None:
        typer.echo(f"visit {said['visit_id']}")
    if said["outcome"] != "admit":
        raise NotAsExpected(f"{gate} stays closed: {said['reason']}")


@gate_app.command("read")
def read(
    gate: Gate,
    url: Url = NODE_URL,
    device: Annotated[
        Path | None,
        typer.Option(help="A serial device such as /dev/ttyACM0.", show_default="what is typed here"),
    ] = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Lines are tokens that the device makes itself, no passes.")
    ] = False,
) -> None:
    """Post each line that a scanner types or sends as a scan, until it is unplugged or Ctrl-C."""
    console = Console()
    with closing(NodeClient(url)) as client:
        if device is None:
            reader = KeyboardReader(sys.stdin, are_passes=not tokens)
            post_scans(reader, gate, client, lambda outcome, said: _show(console, outcome, said))
            return
        try:
            with device.open(encoding="ascii", errors="replace") as stream:
                reader = KeyboardReader(stream, are_passes=not tokens)
                post_scans(reader, gate, client, lambda outcome, said: _show(console, outcome, said))
        except OSError as error:
            raise InputError(
                f"cannot be read: {error.strerror}", file=device, mend="plug it in, or name another"
            ) from error


@keys_app.command("add")
def add_key(file: KeysFile, name: KeyName, scope: Annotated[list[Scope], typer.Option(show_default=False)]) -> None:
    """Make a key and show it, this once. Readers need the scope gate, screens operator."""
    with _clearly():
        typer.echo(NodeKeys(file).add(name, scope, system_clock()))


@keys_app.command("list")
def list_keys(file: KeysFile) -> None:
    """List keys by name and scope; the keys themselves are not kept."""
    table = Table("name", "scopes", "made", "revoked")
    for each in NodeKeys(file).clients():
        ended = "" if each.revoked_at_ns is None else _second(each.revoked_at_ns)
        table.add_row(each.name, ", ".join(sorted(each.scopes)), _second(each.created_at_ns), ended)
    Console().print(table)


@keys_app.command("revoke")
def revoke_key(file: KeysFile, name: KeyName) -> None:
    """Let a key be worth nothing from now on."""
    with _clearly():
        NodeKeys(file).revoke(name, system_clock())
    typer.echo(f"revoked {name}")


@contextmanager
def _clearly() -> Iterator[None]:
    """Turn what a key cannot be into an error that the command line shows. Raises InputError."""
    try:
        yield
    except AccessDenied as error:
        raise InputError(str(error)) from error


def _show(console: Console, outcome: str, sentence: str) -> None:
    console.print(Text(f"{outcome.replace('_', ' ')}: ", style=_STYLES.get(outcome, "bold")) + Text(sentence, style=""))


def _second(at_ns: int) -> str:
    return rfc3339(at_ns)[: len("2026-11-22T22:47:33")] + "Z"
