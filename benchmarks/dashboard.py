"""What it costs the pipeline that somebody looks at the dashboard: see benchmarks/dashboard_load/speed.py.

    python benchmarks/dashboard.py --json FILE [--rounds 7]
    python benchmarks/dashboard.py --pages --json FILE

The second way measures how long pages take where 10,000 visits are kept: see benchmarks/dashboard_load/visits_speed.py.

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
    what = "visits_speed" if "--pages" in sys.argv else "speed"
    sys.exit(import_module(f"benchmarks.dashboard_load.{what}").main())
if __name__ == "dashboard":
    del sys.modules["dashboard"]
    import_module("dashboard")
