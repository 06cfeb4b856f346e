"""The carts and the newest messages as a column of cards."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from tillfree.overlay.style import CARD, GOOD, INK, LINE, MUTED, PANEL, U8, WARN, Rgb, fit, font, person_colour
from tillfree.overlay.view import CartView

_PAD_PX = 10
_LINE_PX = 17
_MESSAGE_ROWS = 5


def draw_panel(carts: tuple[CartView, ...], messages: tuple[str, ...], width_px: int, height_px: int) -> U8:
    """Return the column as BGR uint8; cards that find no room are counted at the bottom, never cut."""
    picture = Image.new("RGB", (width_px, height_px), PANEL)
    pen = ImageDraw.Draw(picture)
    floor_px = height_px - _MESSAGE_ROWS * _LINE_PX - 2 * _PAD_PX
    top_px, left_out = _PAD_PX, 0
    for cart in reversed(carts):
        card_px = _card_height(cart)
        if top_px + card_px > floor_px:
            left_out += 1
            continue
        _draw_card(pen, cart, top_px, width_px)
        top_px += card_px + 8
    if left_out:
        pen.text((_PAD_PX, floor_px - 2), f"and {left_out} earlier", font=font(11), fill=MUTED)
    _draw_messages(pen, messages, floor_px + _PAD_PX, width_px)
    return np.asarray(picture)[:, :, ::-1].copy()


def _card_height(cart: CartView) -> int:
    return 34 + _LINE_PX * max(len(cart.lines), 1) + 22


def _draw_card(pen: ImageDraw.ImageDraw, cart: CartView, top_px: int, width_px: int) -> None:
    colour = person_colour(cart.colour_number)
    box = (_PAD_PX, top_px, width_px - _PAD_PX, top_px + _card_height(cart))
    pen.rounded_rectangle(box, radius=6, fill=CARD, outline=LINE)
    pen.rectangle((_PAD_PX, top_px + 6, _PAD_PX + 3, box[3] - 6), fill=colour)
    inside, right = _PAD_PX + 12, width_px - _PAD_PX - 10
    state_px = font(11).getlength(cart.state)
    pen.text(
        (inside, top_px + 8),
        fit(cart.title, font(13, True), int(right - inside - state_px - 8)),
        font=font(13, True),
        fill=INK,
    )
    pen.text((right - state_px, top_px + 9), cart.state, font=font(11), fill=_state_colour(cart.state))
    row_px = top_px + 30
    if not cart.lines:
        pen.text((inside, row_px), "nothing yet", font=font(12), fill=MUTED)
        row_px += _LINE_PX
    for line in cart.lines:
        amount_px = font(12).getlength(line.amount)
        pen.text(
            (inside, row_px),
            fit(f"{line.quantity} × {line.name}", font(12), int(right - inside - amount_px - 8)),
            font=font(12),
            fill=INK,
        )
        pen.text((right - amount_px, row_px), line.amount, font=font(12), fill=INK)
        row_px += _LINE_PX
    pen.line((inside, row_px + 3, right, row_px + 3), fill=LINE)
    pen.text((inside, row_px + 6), "total", font=font(12), fill=MUTED)
    pen.text((right - font(13, True).getlength(cart.total), row_px + 5), cart.total, font=font(13, True), fill=INK)


def _state_colour(state: str) -> Rgb:
    if state.startswith("charged"):
        return GOOD
    return WARN if "review" in state else MUTED


def _draw_messages(pen: ImageDraw.ImageDraw, messages: tuple[str, ...], top_px: int, width_px: int) -> None:
    pen.line((_PAD_PX, top_px - 6, width_px - _PAD_PX, top_px - 6), fill=LINE)
    for row, text in enumerate(messages[-_MESSAGE_ROWS:]):
        newest = row == len(messages[-_MESSAGE_ROWS:]) - 1
        pen.text(
            (_PAD_PX, top_px + row * _LINE_PX),
            fit(text, font(11), width_px - 2 * _PAD_PX),
            font=font(11),
            fill=INK if newest else MUTED,
        )
