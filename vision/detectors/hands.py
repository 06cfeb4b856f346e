"""Where people's hands are: beyond the wrists of a skeleton, or from boxes of hands that are nobody's yet."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from vision.detectors.settings import HandSettings
from vision.types import F32, F64

LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = 7, 8, 9, 10
"""Rows of COCO's 17 keypoints."""

SHOULDER_DEPTH = 0.2
"""Shoulders lie this share of the box's height below its top (0.818 of the body height, Drillis and Contini 1964)."""


def no_hands(people: int) -> F32:
    """Return (people, 2, 3) unseen hands."""
    hands = np.full((people, 2, 3), np.nan, np.float32)
    hands[:, :, 2] = 0
    return hands


def hands_from_skeletons(keypoints_px: F32, settings: HandSettings) -> F32:
    """Return (N, 2, 3) hands, left and right, from (N, 17, 3) COCO keypoints.

    A hand is put beyond its wrist in the forearm's direction; at the wrist where the elbow is unseen.
    """
    wrists = keypoints_px[:, [LEFT_WRIST, RIGHT_WRIST]]
    elbows = keypoints_px[:, [LEFT_ELBOW, RIGHT_ELBOW]]
    elbow_seen = elbows[:, :, 2:] >= settings.keypoint_confidence
    forearms = np.where(elbow_seen, wrists[:, :, :2] - elbows[:, :, :2], 0)
    middles = wrists[:, :, :2] + np.float32(settings.beyond_wrist) * forearms
    hands = np.concatenate([middles, wrists[:, :, 2:]], axis=2).astype(np.float32)
    unseen = wrists[:, :, 2] < settings.keypoint_confidence
    hands[unseen] = (np.nan, np.nan, 0)
    return hands


def hands_from_boxes(people_px: F32, hands_px: F32, hand_scores: F32, settings: HandSettings) -> F32:
    """Give (M, 4) hand boxes to (N, 4) person boxes, at most two each, and return (N, 2, 3) hands.

    All hands of the picture are given out at once, at the least total cost; a hand that fits nobody
    is left out. In each person the hand further left in the picture comes first, since boxes know no sides.
    """
    hands = no_hands(len(people_px))
    if len(people_px) == 0 or len(hands_px) == 0:
        return hands
    costs = assignment_costs(people_px, hands_px, settings)
    middles = (hands_px[:, :2] + hands_px[:, 2:]) / 2
    for person, row in enumerate(_give_out(costs)):
        own = sorted(row, key=lambda hand: (float(middles[hand, 0]), hand))
        for place, hand in enumerate(own):
            hands[person, place] = (*middles[hand], hand_scores[hand])
    return hands


def assignment_costs(people_px: F32, hands_px: F32, settings: HandSettings) -> F64:
    """Return (N, M) costs, from 0 for a hand at its person's shoulder's reach; inf where it cannot be theirs.

    The parts: how far the hand is from the shoulder in arm lengths, how far outside the box, and how
    much its size differs from what a body of this height has.
    """
    left, top, right, bottom = np.ascontiguousarray(people_px.T, np.float64)[..., None]
    x0, y0, x1, y1 = np.ascontiguousarray(hands_px.T, np.float64)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    heights = np.maximum(bottom - top, 1.0)
    away = np.hypot(x - (left + right) / 2, y - (top + SHOULDER_DEPTH * heights)) / (heights * settings.arm)
    outside = np.maximum(np.maximum(left - x, x - right), np.maximum(top - y, y - bottom))
    outside = np.maximum(outside, 0.0) / heights
    sides = np.maximum(np.maximum(x1 - x0, y1 - y0), 1.0)
    size = np.minimum(np.abs(np.log2(sides / (heights * settings.size))), 3.0)
    costs = away + settings.outside_weight * outside + settings.size_weight * size
    return np.where(outside <= settings.reach, costs, np.inf)


def _give_out(costs: F64) -> list[list[int]]:
    """Return for each person the hands that the assignment of least total cost gives them, two at most."""
    people, hands = costs.shape
    nobody = 1e3
    table = np.full((hands, 2 * people + hands), nobody * 10)
    table[:, : 2 * people] = np.where(np.isfinite(costs), costs, nobody * 10).T.repeat(2, axis=1)
    table[np.arange(hands), 2 * people + np.arange(hands)] = nobody
    rows, columns = linear_sum_assignment(table)
    given: list[list[int]] = [[] for _ in range(people)]
    for hand, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if column < 2 * people:
            given[column // 2].append(hand)
    return given
