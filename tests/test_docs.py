"""Docs are tests: a command, setting or decision that is not written down fails, and so does a link that leads nowhere."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

from tillfree.errors import ExitCode
from tillfree.main import COMMANDS, load_command

REPO = Path(__file__).resolve().parent.parent
DOCS = REPO / "docs"
PLACES = ((REPO, "*.md"), (DOCS, "**/*.md"), (REPO / "sample_videos", "**/*.md"), (REPO / "vision", "**/*.md"))
PAGES = sorted(path for place, pattern in PLACES for path in place.glob(pattern))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def command_lines() -> Iterator[str]:
    """Yield every command as it is typed, sub-commands included."""
    for name in COMMANDS:
        below = getattr(load_command(name), "commands", {})
        yield from (f"tillfree {name} {sub}" for sub in below)
        if not below:
            yield f"tillfree {name}"


def heading_anchors(page: str) -> set[str]:
    """Return the anchors that a page's headings make, as code hosts make them."""
    heads = re.findall(r"^#+ (.+)$", page, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def dead_links(path: Path) -> Iterator[str]:
    """Yield the relative links of a page that lead to no file or to no heading."""
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        place = path.parent / name if name else path
        if not place.exists():
            yield f"{path.relative_to(REPO)}: {target} is not there"
        elif anchor and anchor not in heading_anchors(place.read_text(encoding="utf-8")):
            yield f"{path.relative_to(REPO)}: {target} names no heading"


def tool(name: str) -> ModuleType:
    """Import a file below tools/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, REPO / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_is_documented() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    missing = [line for line in command_lines() if not re.search(rf"`{line}\b", page)]
    assert missing == []


def test_no_command_is_documented_that_is_not_there() -> None:
    known = set(command_lines())
    for path in PAGES:
        for said in re.findall(r"^(?:\.venv/bin/)?tillfree ([a-z]+)(?:[ |]([a-z]+))?", _code(path), flags=re.MULTILINE):
            assert said[0] in COMMANDS, f"{path.name}: tillfree {said[0]}"
            below = {line.split()[2] for line in known if line.startswith(f"tillfree {said[0]} ")}
            if below and said[1]:
                assert said[1] in below, f"{path.name}: tillfree {' '.join(said)}"


def _code(path: Path) -> str:
    return "\n".join(re.findall(r"```\w*\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL))


def test_every_exit_code_is_documented() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)}
    assert listed == {int(code) for code in ExitCode}


def test_settings_are_documented_as_they_are() -> None:
    written = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert written == tool("settings_docs").page(), "run tools/settings_docs.py"


def test_every_setting_says_why() -> None:
    rows = [line for line in tool("settings_docs").page().splitlines() if line.startswith("| `")]
    assert rows
    assert [row for row in rows if row.endswith("|  |")] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(REPO).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    assert list(dead_links(path)) == []


def test_every_decision_is_in_the_index() -> None:
    index = (DOCS / "adr" / "README.md").read_text(encoding="utf-8")
    records = sorted((DOCS / "adr").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    listed = [
        (name, title) for name, title in re.findall(r"^\| \[\d+\]\(([^)]+)\) \| (.+) \|$", index, flags=re.MULTILINE)
    ]
    titles = [re.sub(r"^# \d+\. ", "", path.read_text(encoding="utf-8").splitlines()[0]) for path in records]
    assert listed == [(path.name, title) for path, title in zip(records, titles, strict=True)]


def test_readme_has_the_two_commands() -> None:
    code, makefile = _code(REPO / "README.md"), (REPO / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in code
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)
