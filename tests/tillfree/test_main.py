"""The command line itself: help without heavy imports, errors as one line, exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tillfree.errors import MissingExtra, NotAsExpected, OutOfReach
from tillfree.main import COMMANDS, load_command, main


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Usage" in shown
    assert len(load_command(name).help) > 20


def test_help_imports_nothing_heavy() -> None:
    heavy = [
        "numpy",
        "cv2",
        "openvino",
        "onnxruntime",
        "torch",
        "ultralytics",
        "scipy",
        "matplotlib",
        "sqlalchemy",
        "av",
        "pydantic",
    ]
    program = (
        "import sys; from tillfree.main import main; main(['--help']); "
        f"print('HEAVY', [name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


def test_an_unknown_command_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"]) == 2
    assert "fly" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MissingExtra("install the extra"), 3),
        (OutOfReach("no network"), 4),
        (NotAsExpected("other receipts"), 5),
        (RuntimeError("a slip"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_one_line_and_a_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setitem(COMMANDS, "fail", (__name__, "fail", "Fails."))
    monkeypatch.setattr(sys.modules[__name__], "fail", fail, raising=False)
    assert main(["fail"]) == code
    told = capsys.readouterr().err.strip()
    assert "error:" in told
    assert len(told.splitlines()) == 1
    assert "Traceback" not in told


def test_debug_shows_the_trace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise RuntimeError("a slip")

    monkeypatch.setitem(COMMANDS, "fail", (__name__, "fail", "Fails."))
    monkeypatch.setattr(sys.modules[__name__], "fail", fail, raising=False)
    assert main(["fail", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
