"""Write constraints.txt: the exact versions that are installed here, without addresses.

Run it in a virtual environment that has all extras: ``.venv/bin/python tools/constraints.py``.
"""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path

HEAD = """\
# The versions that the tests ran with; a fresh install takes these, today and in a month.
# Made by tools/constraints.py. It holds every extra's packages; pip uses only those it needs.
"""
# pip and setuptools belong to the virtual environment; anny bakes bodies and is installed for that alone
LEFT_OUT = {"tillfree", "pip", "setuptools", "wheel"}


def main() -> None:
    """Write the file beside pyproject.toml."""
    found = {each.metadata["Name"].lower().replace("_", "-"): each.version for each in distributions()}
    lines = [f"{name}=={version}\n" for name, version in sorted(found.items()) if name not in LEFT_OUT]
    Path(__file__).parent.parent.joinpath("constraints.txt").write_text(HEAD + "".join(lines))


if __name__ == "__main__":
    main()
