"""The house style, read out of the sources: what a linter has no rule for, or what must not be switched off by a comment."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
PACKAGES = ("billing", "checkout", "dashboard", "recordings", "simulator", "store_layout", "tillfree", "vision")
SCRIPTS = ("benchmarks", "tools")
MOST_LINES = 60

# Where each vendor's objects may appear, in files or whole folders; everywhere else they come as this project's own types.
ADAPTERS: dict[str, set[str]] = {
    "alembic": {
        "billing/migrations.py",
        "billing/schema/env.py",
        "billing/schema/versions/v0001_first.py",
        "billing/schema/versions/v0002_service.py",
    },
    "anny": {"simulator/bake.py"},
    "argon2": {"billing/passwords.py"},
    "av": {
        "tillfree/live/connection.py",
        "tillfree/live/evidence_video.py",
        "tillfree/overlay/video.py",
        "tillfree/sources/pictures.py",
        "tillfree/sources/video.py",
        "simulator/recording/video.py",
    },
    "cryptography": {"billing/passes.py"},
    "fastapi": {
        "billing/http/",
        "dashboard/",
        "tillfree/live/desk.py",
        "tillfree/live/store.py",
        "tillfree/live/api.py",
        "tillfree/live/books.py",
        "tillfree/serving.py",
    },
    "fpdf": {"billing/pdf.py"},
    "httpx2": {
        "billing/httpx_sender.py",
        "tillfree/live/client.py",
        "tillfree/live/gate_books.py",
        "tillfree/remote_billing.py",
    },
    "lap": set(),
    "moderngl": {"simulator/graphics.py"},
    "nats": {"tillfree/live/nats_bus.py"},
    "nncf": set(),
    "onnx": set(),
    "onnxruntime": {"vision/detectors/onnx_yolo.py"},
    "openvino": {"vision/detectors/openvino_yolo.py"},
    "prometheus_client": {"billing/http/metrics.py", "tillfree/live/metrics.py"},
    "sqlalchemy": {
        "billing/db/",
        "billing/http/problems.py",
        "billing/http/system.py",
        "billing/migrations.py",
        "billing/schema/versions/v0001_first.py",
        "billing/schema/versions/v0002_service.py",
        "billing/store.py",
        "tillfree/live/standing.py",
        "tillfree/live/trouble.py",
    },
    "segno": {"billing/qr.py"},
    "stripe": {"billing/stripe_cards.py", "billing/stripe_client.py", "billing/stripe_gateway.py"},
    "supervision": {"vision/tracking/roboflow.py"},
    "torch": {"simulator/bake.py"},
    "trackers": {"vision/tracking/roboflow.py"},
    "trackeval": {"tillfree/evaluation/tracking.py"},
    "uvicorn": {"tillfree/serving.py"},
    "ultralytics": {"vision/detectors/ultralytics_yolo.py", "tillfree/commands/models.py"},
}

# OpenCV is a tool, not a port: it serves where pixels are decoded, warped, compared or drawn, and stays out of all that
# is decided on the floor, so that a tape replays alike whatever OpenCV is installed.
OPENCV = (
    "dashboard/live/jpeg.py",
    "simulator/",
    "store_layout/fit.py",
    "store_layout/overlay.py",
    "tillfree/overlay/",
    "tillfree/report/pictures.py",
    "tillfree/sources/",
    "tillfree/live/tap.py",
    "vision/coarse.py",
    "vision/detectors/",
    "vision/motion.py",
    "vision/picture_health.py",
    "vision/shelves/",
)
OPENCV_FREE = ("vision/shelves/finder.py", "vision/shelves/reaches.py", "simulator/scenario/")

# The only places that catch everything, each with its reason.
BROAD = {
    "billing/worker.py": "the outermost loop of a worker, which tells and goes on",
    "tillfree/live/relay.py": "the outermost loop of a thread: one order must not end all others",
    "tillfree/live/reader_thread.py": "the outermost loop of a camera's thread, which tells and ends",
    "tillfree/main.py": "the outermost loop: every error becomes a line and an exit code",
    "simulator/recording/writer.py": "the outermost loop of a worker process, which tells its parent",
    "simulator/graphics.py": "glcontext raises bare Exception, whatever EGL's trouble is",
}

CLOCK = REPO / "tillfree" / "system.py"
"""The adapter that asks the system for the time."""

CLOCKS = {
    *(f"time.{name}{unit}" for name in ("time", "monotonic", "perf_counter", "process_time") for unit in ("", "_ns")),
    *("time.sleep", "time.localtime", "time.gmtime"),
    *(f"{where}.{name}" for where in ("datetime", "dt.datetime") for name in ("now", "utcnow", "today")),
    *("date.today", "dt.date.today"),
}
UNFINISHED = re.compile(r"\b(TODO|FIXME|HACK|XXX)\b(?!\")|\bNotImplementedError\b")


def sources(*tops: str) -> list[Path]:
    """Return the Python files below ``tops``, in order."""
    return [path for top in tops for path in sorted((REPO / top).rglob("*.py")) if "__pycache__" not in path.parts]


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def is_in(name: str, place: str) -> bool:
    """Tell whether a file is ``place``, or in it if that is a folder."""
    return name == place or (place.endswith("/") and name.startswith(place))


def long_functions(tree: ast.AST) -> Iterator[str]:
    """Yield functions that are longer than a page."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_LINES:
                yield f"{node.lineno}: {node.name} has {lines} lines, at most {MOST_LINES}"


def broad_excepts(tree: ast.AST) -> Iterator[str]:
    """Yield handlers that catch everything."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = {ast.unparse(each) for each in ast.walk(node.type)} if node.type else {"everything"}
            if caught & {"everything", "Exception", "BaseException"}:
                yield f"{node.lineno}: catches everything"


def clock_reads(tree: ast.AST) -> Iterator[str]:
    """Yield uses of the wall clock, of waits and of stop watches."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in CLOCKS:
            yield f"{node.lineno}: {ast.unparse(node)}; time is data, or passed in"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield f"{node.lineno}: imports from time; time is data, or passed in"


def prints(tree: ast.AST) -> Iterator[str]:
    """Yield calls of print: what people read goes through a rich console or a log."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "breakpoint"}:
            yield f"{node.lineno}: {node.func.id}()"


def float_money(tree: ast.AST) -> Iterator[str]:
    """Yield amounts of money that become floats: by float(), or in sums with a literal float."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
            parts: list[ast.expr] = node.args
        elif isinstance(node, ast.BinOp) and any(_is_float(side) for side in (node.left, node.right)):
            parts = [node.left, node.right]
        else:
            continue
        if any(name == "minor" or name.endswith("_minor") for part in parts for name in _names(part)):
            yield f"{node.lineno}: {ast.unparse(node)} makes money a float"


def _is_float(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float)


def _names(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        if isinstance(each, ast.Attribute):
            yield each.attr


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and top-level name of every import, those inside functions and by name too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"importlib.import_module", "import_module"}:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value.partition(".")[0]


def relative_imports(tree: ast.AST) -> Iterator[str]:
    """Yield imports with dots: full names show the layers."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"{node.lineno}: relative import"


Rule = Callable[[ast.AST], Iterator[str]]


def check(rule: Rule, paths: list[Path]) -> list[str]:
    """Return what ``rule`` finds, a line each, with the file's name."""
    assert paths
    return [f"{p.relative_to(REPO)}:{said}" for p in paths for said in rule(parsed(p))]


@pytest.mark.parametrize("rule", [long_functions, relative_imports])
def test_everywhere(rule: Rule) -> None:
    assert check(rule, sources(*PACKAGES, *SCRIPTS)) == []


@pytest.mark.parametrize("rule", [clock_reads, prints])
def test_in_packages(rule: Rule) -> None:
    assert check(rule, [path for path in sources(*PACKAGES) if path != CLOCK]) == []


def test_one_file_is_the_clock() -> None:
    assert len(check(clock_reads, [CLOCK])) == 2


def test_money_stays_whole() -> None:
    assert check(float_money, sources("billing", "checkout")) == []


def test_only_outermost_loops_catch_everything() -> None:
    found = check(broad_excepts, sources(*PACKAGES, *SCRIPTS))
    assert [said for said in found if said.partition(":")[0] not in BROAD] == []
    assert len(found) <= len(BROAD), found


def test_vendors_stay_in_their_adapters() -> None:
    strays = []
    for path in sources(*PACKAGES):
        name = path.relative_to(REPO).as_posix()
        for line, vendor in imported(parsed(path)):
            if vendor in ADAPTERS and not any(is_in(name, place) for place in ADAPTERS[vendor]):
                strays.append(f"{name}:{line}: imports {vendor}")
    assert strays == []


def test_opencv_stays_where_pixels_are() -> None:
    strays = []
    for path in sources(*PACKAGES):
        name = path.relative_to(REPO).as_posix()
        vendors = {vendor for _, vendor in imported(parsed(path))}
        if "cv2" in vendors and (not name.startswith(OPENCV) or name.startswith(OPENCV_FREE)):
            strays.append(name)
    assert strays == []


def test_the_list_of_adapters_is_true() -> None:
    for vendor, places in ADAPTERS.items():
        for place in sorted(places):
            files = [path for path in sources(*PACKAGES) if is_in(path.relative_to(REPO).as_posix(), place)]
            vendors = {found for path in files for _, found in imported(parsed(path))}
            assert vendor in vendors, f"{place} no longer imports {vendor}"


def test_nothing_is_left_for_later() -> None:
    found = [
        f"{path.relative_to(REPO)}:{number}: {line.strip()}"
        for path in sources(*PACKAGES, *SCRIPTS, "tests")
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert found == []


def test_tests_are_no_packages() -> None:
    assert list((REPO / "tests").rglob("__init__.py")) == []  # tests/vision would hide vision
    names = [path.name for path in sources("tests") if path.name != "conftest.py"]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (long_functions, "def long():\n" + "    pass\n" * MOST_LINES),
        (broad_excepts, "try:\n    pass\nexcept:\n    pass"),
        (broad_excepts, "try:\n    pass\nexcept (KeyError, Exception):\n    pass"),
        (clock_reads, "import time\ntime.monotonic_ns()"),
        (clock_reads, "import datetime as dt\ndt.datetime.now(dt.UTC)"),
        (clock_reads, "from time import sleep"),
        (prints, "print(1)"),
        (float_money, "float(line.total_minor)"),
        (float_money, "price.minor * 1.2"),
        (relative_imports, "from . import model"),
    ],
)
def test_rules_find_what_they_are_for(rule: Rule, text: str) -> None:
    assert len(list(rule(ast.parse(text)))) == 1


@pytest.mark.parametrize(
    "text", ["import cv2", "from cv2 import dnn", "def late():\n    import cv2", 'importlib.import_module("cv2.aruco")']
)
def test_every_way_to_import_is_seen(text: str) -> None:
    assert [vendor for _, vendor in imported(ast.parse(text))] == ["cv2"]


def test_linter_bans_the_clock_too(tmp_path: Path) -> None:
    file = tmp_path / "clock.py"
    file.write_text('"""Reads the clock."""\n\nimport time\n\nNOW = time.time()\n', encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", str(REPO / "pyproject.toml"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "TID251" in done.stdout
