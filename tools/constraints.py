"""Write constraints.txt: the exact versions that are installed here, without addresses.

Run it in a virtual environment that has all extras: ``.venv/bin/python tools/constraints.py``. Only what pyproject.toml
asks for is listed, directly or through others, so that a package that was tried out here once stays out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEAD = """\
# The versions that the tests ran with; a fresh install takes these, today and in a month.
# Made by tools/constraints.py. It holds every extra's packages; pip uses only those it needs.
# In no extra, since the result is in the repository: what `python -m simulator.bake` needs (anny, fast-simplification).
"""
BAKING = ("anny", "fast-simplification")
OURSELVES = "tillfree"
# Comes with a virtual environment of Python 3.11, not with later ones; named so that all take the same.
ALWAYS = ("setuptools",)


def main() -> None:
    """Write the file beside pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *BAKING, *ALWAYS]
    for extra in project["optional-dependencies"].values():
        asked += extra
    names = sorted({name for name in needed(asked) if name != OURSELVES})
    text = HEAD + "".join(f"{name}=={distribution(name).version.partition('+')[0]}\n" for name in names)
    (ROOT / "constraints.txt").write_text(text, encoding="utf-8")


def needed(asked: Iterable[str]) -> set[str]:
    """Return the names of everything that ``asked`` brings, on this machine.

    Raises:
        SystemExit: something needed is not installed.
    """
    found: set[str] = set()
    waiting = [Requirement(text) for text in asked]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        found.add(key[0])
        waiting += _asked_by(requirement)
    return found


def _asked_by(requirement: Requirement) -> Iterator[Requirement]:
    try:
        texts = distribution(requirement.name).requires or []
    except PackageNotFoundError:
        raise SystemExit(f"{requirement.name} is not installed here; install all extras first") from None
    for each in map(Requirement, texts):
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in (requirement.extras or {""})):
            yield each


if __name__ == "__main__":
    main()
