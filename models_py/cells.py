"""The learner's input: leads grouped into cells.

Belongs here: the ``Cells`` sufficient statistics and how they are checked, merged and ordered. Not here: what
is fitted to them (fitting.py). The cost of learning depends on the number of cells, not of leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models_py.components import (
    COMPONENTS,
    MAXIMA,
    BoolArray,
    FloatArray,
    IntArray,
    component_points,
)
from models_py.errors import RangeError, ShapeError

#: Code of an unknown tier at contact or quarter.
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Cells:
    """Matured leads grouped by tenant, quarter of first outreach, tier at contact and components at first outreach.

    Arrays of equal length m. The constructor checks them, merges equal cells and puts them in canonical
    order, so two inputs that describe the same leads give the same object, bit for bit.

    tenant      (m,) int: any tenant ids
    components  (m, 4) float: points in the order of COMPONENTS (0-20, 0-25, 0-25, 0-15), NaN = missing
    quarter     (m,) int: any code that rises with time, such as year * 4 + quarter; -1 = unknown
    tier        (m,) int: code of the tier at contact, -1 = unknown
    leads       (m,) int: matured leads in the cell (cells without leads are dropped)
    booked      (m,) int: those of them that booked within the window
    """

    tenant: IntArray
    components: FloatArray
    quarter: IntArray
    tier: IntArray
    leads: IntArray
    booked: IntArray

    def __post_init__(self) -> None:
        components = component_points(self.components)
        rows = len(components)
        tenant = _integers(self.tenant, rows, "tenant")
        quarter = _integers(self.quarter, rows, "quarter")
        tier = _integers(self.tier, rows, "tier")
        leads = _integers(self.leads, rows, "leads")
        booked = _integers(self.booked, rows, "booked")
        if (leads < 0).any() or (booked < 0).any():
            raise RangeError("leads and booked must not be negative")
        if (booked > leads).any():
            raise RangeError("a cell holds more booked leads than leads")
        # Adding zero turns -0.0 into 0.0: equal points must be equal bits.
        merged = _canonical(tenant, components + 0.0, quarter, tier, leads, booked)
        for name, values in zip(self.__dataclass_fields__, merged, strict=True):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @classmethod
    def from_leads(
        cls, components: Any, booked: Any, *, tenant: Any = 0, quarter: Any = UNKNOWN, tier: Any = UNKNOWN
    ) -> Cells:
        """Group single leads; tenant, quarter and tier are arrays of length n or one value for all."""
        points = component_points(components)
        rows = len(points)
        outcome = _outcomes(booked, rows)
        return cls(
            tenant=np.broadcast_to(np.asarray(tenant), (rows,)),
            components=points,
            quarter=np.broadcast_to(np.asarray(quarter), (rows,)),
            tier=np.broadcast_to(np.asarray(tier), (rows,)),
            leads=np.ones(rows, dtype=np.int64),
            booked=outcome.astype(np.int64),
        )

    def __len__(self) -> int:
        return len(self.leads)

    def where(self, keep: BoolArray) -> Cells:
        """The cells of a boolean mask (m,)."""
        return Cells(
            self.tenant[keep],
            self.components[keep],
            self.quarter[keep],
            self.tier[keep],
            self.leads[keep],
            self.booked[keep],
        )


def _integers(values: Any, rows: int, name: str) -> IntArray:
    array = np.asarray(values)
    if array.shape != (rows,):
        raise ShapeError(f"{name} must have shape ({rows},) like components; got {array.shape}")
    if array.dtype.kind in "iub":
        return array.astype(np.int64)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.rint(array)).all():
        return array.astype(np.int64)
    raise RangeError(f"{name} must hold whole numbers; got values of type {array.dtype}")


def _outcomes(booked: Any, rows: int) -> BoolArray:
    array = np.asarray(booked)
    if array.shape != (rows,):
        raise ShapeError(f"booked must have shape ({rows},) like components; got {array.shape}")
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind in "iuf" and np.isin(array, (0, 1)).all():
        return array.astype(np.bool_)
    raise RangeError("booked must hold true or false for every lead; leave out leads without an outcome")


def _component_keys(components: FloatArray) -> list[IntArray | FloatArray]:
    """Sort keys in which missing comes first; whole points are packed into one integer, which sorts faster."""
    filled = np.where(np.isnan(components), -1.0, components)
    if not (filled == np.rint(filled)).all():
        return [np.ascontiguousarray(filled[:, column]) for column in range(len(COMPONENTS))]
    packed = np.zeros(len(filled), dtype=np.int64)
    for column, maximum in enumerate(MAXIMA):
        packed = packed * (int(maximum) + 2) + (filled[:, column].astype(np.int64) + 1)
    return [packed]


def _canonical(
    tenant: IntArray,
    components: FloatArray,
    quarter: IntArray,
    tier: IntArray,
    leads: IntArray,
    booked: IntArray,
) -> tuple[IntArray, FloatArray, IntArray, IntArray, IntArray, IntArray]:
    present = leads > 0
    if not present.all():
        tenant, quarter, tier = tenant[present], quarter[present], tier[present]
        components, leads, booked = components[present], leads[present], booked[present]
    keys: list[Any] = [tenant, quarter, tier, *_component_keys(components)]
    order = np.lexsort(keys[::-1])
    keys = [key[order] for key in keys]
    first = np.ones(len(order), dtype=np.bool_)
    if len(order):
        first[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    starts = np.flatnonzero(first)
    kept = order[starts]
    if len(order):
        leads = np.add.reduceat(leads[order], starts)
        booked = np.add.reduceat(booked[order], starts)
    return tenant[kept], components[kept], quarter[kept], tier[kept], leads, booked
