"""``tillfree health``: how the parts of a store that runs are."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tillfree.errors import NotAsExpected
from tillfree.live.client import NODE_URL, NodeClient


def health(
    url: Annotated[
        str, typer.Option(help="Where the store's machine listens; its key is in TILLFREE_NODE_KEY.")
    ] = NODE_URL,
) -> None:
    """Show how a running store's cameras, gates and engine are; exit code 5 where gates let nobody in."""
    with closing(NodeClient(url)) as client:
        said = client.health()
    table = Table("part", "name", "state", "detail")
    for row in said["rows"]:
        state = Text("up", style="green") if row["is_up"] else Text("down", style="bold red")
        table.add_row(row["part"], row["name"], state, row["detail"])
    Console().print(table)
    if not said["is_ready"]:
        raise NotAsExpected("the store lets nobody in")
