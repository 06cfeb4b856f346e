"""One-to-one assignment: the same answer as SciPy's, ties included."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.optimize import linear_sum_assignment

from vision.assignment import LARGEST, least_cost
from vision.types import F64

SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=LARGEST + 2)
FEW_VALUES = st.sampled_from([-1.0, 0.0, 0.5, 2.0, 1e6])  # so that most tables have ties


@given(arrays(np.float64, SHAPES, elements=FEW_VALUES))
def test_ties_go_where_scipy_puts_them(costs: F64) -> None:
    rows, columns = least_cost(costs)
    wanted_rows, wanted_columns = linear_sum_assignment(costs)
    assert rows.tolist() == wanted_rows.tolist()
    assert columns.tolist() == wanted_columns.tolist()


@given(arrays(np.float64, SHAPES, elements=st.floats(-1e6, 1e6)))
def test_any_costs_give_what_scipy_gives(costs: F64) -> None:
    rows, columns = least_cost(costs)
    wanted_rows, wanted_columns = linear_sum_assignment(costs)
    assert (rows.dtype, columns.dtype) == (np.int64, np.int64)
    assert rows.tolist() == wanted_rows.tolist()
    assert columns.tolist() == wanted_columns.tolist()
