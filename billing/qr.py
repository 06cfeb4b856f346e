"""QR codes as inline SVG, through segno."""

from __future__ import annotations

import segno

from billing.errors import QrError

QUIET_ZONE_MODULES = 4
"""Light modules on each side, as ISO/IEC 18004 asks for: scanners need them to find the code."""

_LEAST_PX_PER_MODULE = 2
"""Below two pixels a module, edges fall between pixels and a camera sees grey."""


def qr_svg(text: str, size_px: int = 294, title: str = "QR code") -> str:
    """Return a QR code of ``text`` as an ``<svg>`` element for a page, dark on light in a quiet zone, ``size_px`` wide.

    It has the least version that holds the text at error correction M (15 % may be unreadable), and a higher correction
    where that costs no more room. The default size gives an entry pass 6 pixels a module. ``title`` is what screen
    readers say.

    Raises:
        QrError: the text is empty or longer than any code holds, or ``size_px`` is too small for it.
    """
    if not text:
        raise QrError("text: is empty, a QR code needs something to say")
    try:
        code = segno.make_qr(text, error="m")
    except UnicodeEncodeError as error:
        raise QrError(f"text: {error.reason} at character {error.start}, give whole characters") from error
    except segno.DataOverflowError as error:
        raise QrError(f"text: {len(text)} characters are more than a QR code holds, give less") from error
    modules = code.symbol_size(border=QUIET_ZONE_MODULES)[0]
    if size_px < _LEAST_PX_PER_MODULE * modules:
        raise QrError(
            f"size_px: {size_px} is too small for {modules} modules, give {_LEAST_PX_PER_MODULE * modules} or more"
        )
    svg = code.svg_inline(
        border=QUIET_ZONE_MODULES, dark="#000", light="#fff", omitsize=True, title=title, svgclass=None, lineclass=None
    )
    return svg.replace(
        "<svg ", f'<svg role="img" shape-rendering="crispEdges" width="{size_px}" height="{size_px}" ', 1
    )
