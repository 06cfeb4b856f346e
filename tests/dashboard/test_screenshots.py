"""Pictures of the pages: none is forgotten, those of the documents are small, and the tool makes one."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import cv2
import pytest
from fastapi.routing import APIRoute
from starlette.routing import compile_path

from dashboard.app import ROUTERS
from tests.dashboard.desk_rig import REPO

PICTURES = REPO / "docs/pictures"
NO_PAGES = {"/", "/words.json", "/audit.csv", "/reviews/next", "/static/{digest}/{name}"}
"""What is a file, or leads to a page."""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Import tools/screenshots.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("screenshots_tool", REPO / "tools/screenshots.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def page_routes() -> set[str]:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    found = {route.path for route in routes if "GET" in route.methods and not route.path.startswith("/v1/")}
    return {path for path in found - NO_PAGES if not path.endswith(".mp4")}


def test_no_page_is_forgotten(tool: ModuleType) -> None:
    asked = [re.sub(r"[?#].*", "", address.replace("{setup}", "/setup")) for address in tool.PAGES.values()]
    lacking = {path for path in page_routes() if not any(compile_path(path)[0].match(each) for each in asked)}
    assert lacking == set()


def test_the_documents_pictures_are_small_and_shown(tool: ModuleType) -> None:
    assert {path.stem for path in PICTURES.iterdir()} == tool.BEST.keys()
    for path in PICTURES.iterdir():
        assert path.stat().st_size < 150_000
        assert f"docs/pictures/{path.name}" in (REPO / "README.md").read_text(encoding="utf-8")
        assert f"pictures/{path.name}" in (REPO / "docs/dashboard.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the Debian package chromium")
def test_pictures_are_made(tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--look", "390-dark", "--page", "live", "--page", "review", "--page", "sign-in"]
    assert tool.main(["--out", str(tmp_path), *arguments]) == 0
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "live-390-dark.png", "review-390-dark.png", "sign-in-390-dark.png",
    ]  # fmt: skip
    assert "3 of 3: " in capsys.readouterr().out
    for path in tmp_path.iterdir():
        image = cv2.imread(str(path))
        assert image is not None
        assert image.shape[1] == 390
        assert image[:40].mean() < 60, "dark"
