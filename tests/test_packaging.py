"""What is installed: the wheel's contents, the pinned versions, and imports that bring no vendor along."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPO = Path(__file__).resolve().parent.parent
PACKAGES = ("billing", "checkout", "dashboard", "recordings", "simulator", "store_layout", "tillfree", "vision")
VENDORS = (
    "anny",
    "moderngl",
    "nncf",
    "onnx",
    "onnxruntime",
    "openvino",
    "stripe",
    "supervision",
    "torch",
    "trackers",
    "trackeval",
    "ultralytics",
)
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def project() -> dict[str, Any]:
    """Return the project table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
    return table


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel, without the network, and open it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=REPO, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_wheel_has_the_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    version = project()["project"]["version"]
    assert tops == {*PACKAGES, f"tillfree-{version}.dist-info"}


def test_wheel_has_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    """Templates, assets and weights too: a package is installed as it lies here."""
    files = [path for package in PACKAGES for path in (REPO / package).rglob("*") if path.is_file()]
    kept = {path.relative_to(REPO).as_posix() for path in files if path.suffix not in {".pyc", ".log", ".part"}}
    assert {"tillfree/report/page.html.j2", "simulator/assets/bodies.npz"} <= kept
    assert kept - set(wheel.namelist()) == set()
    assert {Path(name).suffix for name in kept} != {".py"}


def test_wheel_has_licence_script_and_no_addresses(wheel: zipfile.ZipFile) -> None:
    names = {Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name}
    assert "LICENSE" in names
    assert "tillfree = tillfree.main:run" in wheel.read(names["entry_points.txt"]).decode()
    asked = re.findall(r"^Requires-Dist: (.+)$", wheel.read(names["METADATA"]).decode(), flags=re.MULTILINE)
    assert asked
    assert [line for line in asked if "://" in line] == []


def test_packages_are_named_alike_everywhere() -> None:
    table = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert tuple(table["hatch"]["build"]["targets"]["wheel"]["packages"]) == PACKAGES
    assert tuple(table["mypy"]["packages"]) == PACKAGES
    assert tuple(table["importlinter"]["root_packages"]) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_brings_no_vendor(package: str) -> None:
    command = [sys.executable, "-W", "error", "-c", IMPORT_ALL, package]
    done = subprocess.run(command, cwd=REPO, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert package in loaded
    assert loaded & set(VENDORS) == set()


def test_what_is_imported_is_asked_for() -> None:
    """No package is used only because another happens to bring it."""
    ships = packages_distributions()
    table = project()["project"]
    texts = [*table["dependencies"], *(text for extra in table["optional-dependencies"].values() for text in extra)]
    asked = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", text)[0]).lower() for text in texts}
    used: dict[str, str] = {}
    for path in (path for package in PACKAGES for path in sorted((REPO / package).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            used |= {name.partition(".")[0]: path.name for name in names}
    foreign = {name: file for name, file in used.items() if name not in (*PACKAGES, *sys.stdlib_module_names)}
    foreign.pop("pydantic_core")  # pydantic's own other half, pinned by it
    unasked = {
        name: file
        for name, file in foreign.items()
        if not asked & {re.sub(r"[-_.]+", "-", each).lower() for each in ships.get(name, [name])}
    }
    assert len(foreign) > 10
    assert unasked == {}


def pinned() -> dict[str, str]:
    """Return name and version of each line of constraints.txt."""
    lines = (REPO / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    assert all(len(pin) == 2 for pin in pins)
    return dict(pins)


def test_constraints_hold_no_addresses() -> None:
    text = (REPO / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|@|^-|^\s*/", text, flags=re.MULTILINE)
    assert list(pinned()) == sorted(pinned())


def test_what_is_installed_is_what_is_pinned() -> None:
    """Everything that the project and its installed extras need is listed, at the version that is here."""
    module = constraints_tool()
    table = project()["project"]
    asked = list(table["dependencies"])
    for extra in table["optional-dependencies"].values():
        if all(_is_installed(module.Requirement(text).name) for text in extra):
            asked += extra
    needed = {name for name in module.needed(asked) if name != "tillfree"}
    here = {name: distribution(name).version.partition("+")[0] for name in needed}
    pins = pinned()
    assert len(here) > 30
    assert {name: version for name, version in here.items() if pins.get(name) != version} == {}


def test_the_builder_is_the_pinned_one() -> None:
    (asked,) = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert asked == f"hatchling=={pinned()['hatchling']}"


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def constraints_tool() -> ModuleType:
    """Import tools/constraints.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("constraints_tool", REPO / "tools" / "constraints.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
