"""One-to-one assignment of least total cost, for the handful of rows that cameras give.

It is the shortest augmenting path algorithm of Crouse, "On implementing 2D rectangular assignment
algorithms", IEEE Transactions on Aerospace and Electronic Systems 52(4), 2016, as SciPy has it: ties are
broken as there, so large tables can go to SciPy. Small ones do not: importing ``scipy.optimize`` takes
longer than all assignments of a minute's recording.
"""

from __future__ import annotations

from math import inf

import numpy as np

from vision.types import F64, I64

LARGEST = 12
"""Tables with a longer side than this go to SciPy: here the time grows with its cube, at 20 µs for a side of 4."""


def least_cost(costs: F64) -> tuple[I64, I64]:
    """Return the rows (P,), rising, and columns (P,) of the P = min(N, M) pairs of (N, M) finite ``costs``."""
    rows, columns = costs.shape
    if max(rows, columns) > LARGEST:
        from scipy.optimize import linear_sum_assignment

        far_rows, far_columns = linear_sum_assignment(costs)
        return far_rows.astype(np.int64), far_columns.astype(np.int64)
    if rows <= columns:
        return np.arange(rows, dtype=np.int64), np.array(_column_of_row(costs.tolist(), columns), np.int64)
    row_of = np.array(_column_of_row(costs.T.tolist(), rows), np.int64)
    order = np.argsort(row_of)
    return row_of[order], order.astype(np.int64)


def _column_of_row(costs: list[list[float]], columns: int) -> list[int]:
    """Return the column of each row of ``costs``, which has no more rows than ``columns``."""
    row_price, column_price = [0.0] * len(costs), [0.0] * columns
    column_of, row_of = [-1] * len(costs), [-1] * columns
    for start in range(len(costs)):
        path, lengths, done, sink, length = _shortest_path(costs, start, row_price, column_price, row_of)
        for column in done:
            if column != sink:
                row_price[row_of[column]] += length - lengths[column]
            column_price[column] -= length - lengths[column]
        row_price[start] += length
        row, column = -1, sink
        while row != start:
            row = path[column]
            row_of[column], column_of[row], column = row, column, column_of[row]
    return column_of


def _shortest_path(
    costs: list[list[float]], start: int, row_price: list[float], column_price: list[float], row_of: list[int]
) -> tuple[list[int], list[float], list[int], int, float]:
    """Return the way from row ``start`` to the nearest free column.

    That is: each column's row before it, the columns' lengths, the columns done, the free one, and its length.
    """
    path, lengths = [-1] * len(row_of), [inf] * len(row_of)
    left, done = list(range(len(row_of) - 1, -1, -1)), []
    row, length, sink = start, 0.0, -1
    while sink < 0:
        lowest, nearest = inf, -1
        for place, column in enumerate(left):
            reduced = length + costs[row][column] - row_price[row] - column_price[column]
            if reduced < lengths[column]:
                path[column], lengths[column] = row, reduced
            if lengths[column] < lowest or (lengths[column] == lowest and row_of[column] < 0):
                lowest, nearest = lengths[column], place
        length, column = lowest, left[nearest]
        row, sink = row_of[column], column if row_of[column] < 0 else -1
        done.append(column)
        left[nearest] = left[-1]
        left.pop()
    return path, lengths, done, sink, length
