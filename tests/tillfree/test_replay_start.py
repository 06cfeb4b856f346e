"""What a replay does not load before its first frame."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_replay_brings_nothing_heavy() -> None:
    heavy = {"sqlalchemy", "jinja2", "openvino", "torch"}
    program = f"import sys, tillfree.replay; print(sorted({heavy!r} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
