"""What the dashboard costs, and how quick it is: see benchmarks/dashboard_load/whole.py.

    python benchmarks/dashboard.py --json FILE
    python benchmarks/dashboard.py --part pipeline --json FILE     # or pages, or answers

This file is named as the package that it measures, and Python looks in a script's own folder first. So it takes that
folder off the path, and when a script beside it asks for ``dashboard``, it gives the package in its own place.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:] = [place for place in sys.path if Path(place).resolve() != HERE]

if __name__ == "__main__":
    sys.exit(import_module("benchmarks.dashboard_load.whole").main())
if __name__ == "dashboard":
    del sys.modules["dashboard"]
    import_module("dashboard")
