"""The learner's input is checked, merged and ordered."""

from __future__ import annotations

import numpy as np
import pytest

from models_py.cells import Cells
from models_py.errors import InputError, RangeError, ShapeError

POINTS = np.array([[20.0, 25.0, 25.0, 15.0], [0.0, np.nan, 10.0, 3.0], [20.0, 25.0, 25.0, 15.0]])


def cells(**changes: object) -> Cells:
    columns: dict[str, object] = {
        "tenant": [2, 1, 2],
        "components": POINTS,
        "quarter": [8, 8, 8],
        "tier": [0, 3, 0],
        "leads": [3, 4, 5],
        "booked": [1, 0, 2],
    }
    return Cells(**(columns | changes))  # type: ignore[arg-type]


def test_equal_cells_are_merged_and_all_are_ordered_by_tenant() -> None:
    merged = cells()
    assert merged.tenant.tolist() == [1, 2]
    assert merged.leads.tolist() == [4, 8]
    assert merged.booked.tolist() == [0, 3]


def test_missing_components_are_equal_to_each_other_and_to_nothing_else() -> None:
    points = np.array([[1.0, np.nan, 1, 1], [1.0, np.nan, 1, 1], [1.0, 0.0, 1, 1]])
    assert cells(tenant=[1, 1, 1], components=points, tier=[0, 0, 0]).leads.tolist() == [7, 5]


def test_fractional_points_are_merged_like_whole_ones() -> None:
    points = np.array([[1.5, 2, 3, 4], [1.5, 2, 3, 4], [1.25, 2, 3, 4]])
    assert cells(tenant=[1, 1, 1], components=points, tier=[0, 0, 0]).leads.tolist() == [5, 7]


def test_the_order_of_rows_leaves_no_trace() -> None:
    random = np.random.default_rng(3)
    points = random.integers(0, 4, (500, 4)).astype(float)
    points[random.random(points.shape) < 0.1] = np.nan
    columns = [random.integers(0, 3, 500) for _ in range(3)]
    booked = random.integers(0, 2, 500)
    order = random.permutation(500)
    first = Cells(columns[0], points, columns[1], columns[2], np.ones(500, int), booked)
    second = Cells(
        columns[0][order], points[order], columns[1][order], columns[2][order], np.ones(500, int), booked[order]
    )
    for name in ("tenant", "components", "quarter", "tier", "leads", "booked"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_cells_without_leads_are_dropped() -> None:
    assert cells(leads=[3, 0, 5]).tenant.tolist() == [2]


def test_cells_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        cells().leads[0] = 99


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"components": POINTS[:, :3]}, r"shape \(n, 4\)"),
        ({"components": [["a", "b", "c", "d"]] * 3}, "numbers"),
        ({"tenant": [1, 2]}, "tenant must have shape"),
        ({"booked": [[1], [0], [1]]}, "booked must have shape"),
    ],
)
def test_wrong_shapes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        cells(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"components": POINTS + 1}, "at most 20"),
        ({"components": POINTS - 1}, "data_quality holds negative"),
        ({"components": np.full((3, 4), np.inf)}, "infinite"),
        ({"booked": [4, 0, 2]}, "more booked"),
        ({"leads": [-3, 4, 5]}, "negative"),
        ({"quarter": [8.5, 8, 8]}, "whole numbers"),
        ({"tier": ["hot", "cold", "hot"]}, "whole numbers"),
    ],
)
def test_impossible_values_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RangeError, match=message):
        cells(**changes)


def test_all_refusals_are_one_family_of_value_errors() -> None:
    assert issubclass(ShapeError, InputError) and issubclass(RangeError, InputError)
    assert issubclass(InputError, ValueError)


def test_leads_with_an_outcome_other_than_true_or_false_are_refused() -> None:
    with pytest.raises(RangeError, match="true or false"):
        Cells.from_leads(POINTS, [0, 1, 2])
    with pytest.raises(RangeError, match="true or false"):
        Cells.from_leads(POINTS, [0.0, 1.0, np.nan])
