"""Billing's speed over HTTP, against what the database's driver alone writes: see benchmarks/billing_load/speed.py.

    python benchmarks/billing.py --json FILE --cache FOLDER

This file is named as the package that it measures, and Python looks in a script's own folder first. So it takes that
folder off the path, and when a script beside it asks for ``billing``, it gives the package in its own place.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:] = [place for place in sys.path if Path(place).resolve() != HERE]

if __name__ == "__main__":
    import_module("benchmarks.billing_load.speed").main()
if __name__ == "billing":
    del sys.modules["billing"]
    import_module("billing")
