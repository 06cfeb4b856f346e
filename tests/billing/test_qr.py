"""QR codes as drawn: the SVG is filled in pixel by pixel and read by OpenCV, which had no part in making it."""

from __future__ import annotations

import re
import uuid
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from billing.errors import QrError
from billing.passes import NONCE_BYTES, PassKey, issue
from billing.qr import QUIET_ZONE_MODULES, qr_svg

PASS = issue(
    PassKey(Ed25519PrivateKey.from_private_bytes(bytes(32))),
    uuid.UUID(int=2**127 + 5),
    bytes(NONCE_BYTES),
    1_800_000_000 * 10**9,
)
MOVE = re.compile(r"([mM])(-?\d+) (-?[\d.]+)h(\d+)")


def modules_of(svg: str) -> np.ndarray:
    """Return the drawing as one grey value a module, by the SVG's own background and strokes."""
    root = ET.fromstring(svg)
    _, _, width, height = (int(part) for part in root.attrib["viewBox"].split())
    ground, ink = root.findall("path")
    assert ground.attrib == {"fill": "#fff", "d": f"M0 0h{width}v{height}h-{width}z"}
    assert ink.attrib["stroke"] == "#000"
    assert MOVE.sub("", ink.attrib["d"]) == ""
    picture = np.full((height, width), 255, np.uint8)
    x, y = 0, 0.0
    for kind, dx, dy, length in MOVE.findall(ink.attrib["d"]):
        x, y = (int(dx), float(dy)) if kind == "M" else (x + int(dx), y + float(dy))
        picture[int(y), x : x + int(length)] = 0
        x += int(length)
    return picture


def pixels_of(svg: str, px_per_module: int = 6) -> np.ndarray:
    return np.kron(modules_of(svg), np.ones((px_per_module, px_per_module), np.uint8))


@pytest.mark.parametrize("text", [PASS, "0", "HTTPS://TILLFREE.EXAMPLE/GATE", "https://tillfree.example/?a=b&c=<d>"])
def test_what_is_drawn_can_be_read(text: str) -> None:
    found, _, _ = cv2.QRCodeDetector().detectAndDecode(pixels_of(qr_svg(text)))
    assert found == text


@pytest.mark.parametrize("turn_deg", [0, 20, 90, 200])
def test_a_pass_is_read_askew_and_blurred(turn_deg: float) -> None:
    drawn = pixels_of(qr_svg(PASS))
    side = drawn.shape[0]
    centre = (side / 2, side / 2)
    turn = cv2.getRotationMatrix2D(centre, turn_deg, 1.0)
    turn[:, 2] += side / 4
    seen = cv2.warpAffine(drawn, turn, (side * 3 // 2, side * 3 // 2), borderValue=(230,))
    found, _, _ = cv2.QRCodeDetector().detectAndDecode(cv2.GaussianBlur(seen, (5, 5), 1.2))
    assert found == PASS


def test_a_pass_is_small_and_has_its_quiet_zone() -> None:
    modules = modules_of(qr_svg(PASS))
    inside = modules[QUIET_ZONE_MODULES:-QUIET_ZONE_MODULES, QUIET_ZONE_MODULES:-QUIET_ZONE_MODULES]
    assert (inside.shape[0] - 17) / 4 <= 6  # a code of version v has 17 + 4 v modules a side
    assert (modules == 0).sum() == (inside == 0).sum()
    assert {inside[0, 0], inside[0, -1], inside[-1, 0]} == {0}  # its corners touch the quiet zone


def test_every_pass_fits_the_same_code() -> None:
    biggest = qr_svg("9" * len(PASS))
    assert modules_of(biggest).shape == modules_of(qr_svg(PASS)).shape == modules_of(qr_svg("0" * len(PASS))).shape


def test_error_correction_is_at_least_medium() -> None:
    """The level stands in the first two modules of row 8, masked with 10 (ISO/IEC 18004, format information)."""
    row = modules_of(qr_svg(PASS))[QUIET_ZONE_MODULES + 8, QUIET_ZONE_MODULES:] == 0
    assert {(0, 1): "L", (0, 0): "M", (1, 1): "Q", (1, 0): "H"}[int(row[0]) ^ 1, int(row[1])] in "MQH"


def test_people_who_cannot_see_it_hear_its_title() -> None:
    root = ET.fromstring(qr_svg("0", title="Entry pass of <Ann> & Bob"))
    assert root.attrib["role"] == "img"
    assert root[0].tag == "title"
    assert root[0].text == "Entry pass of <Ann> & Bob"


def test_it_is_as_large_as_asked() -> None:
    root = ET.fromstring(qr_svg(PASS, size_px=500))
    assert (root.attrib["width"], root.attrib["height"]) == ("500", "500")


@pytest.mark.parametrize(
    ("text", "size_px", "said"),
    [
        ("", 294, "text: is empty"),
        ("9" * 8_000, 294, "text: 8000 characters are more than a QR code holds"),
        ("a\ud800", 294, "text: surrogates not allowed at character 1"),
        (PASS, 97, "size_px: 97 is too small for 49 modules, give 98 or more"),
    ],
)
def test_what_cannot_be_drawn(text: str, size_px: int, said: str) -> None:
    with pytest.raises(QrError, match=said):
        qr_svg(text, size_px)
