"""Classes that are frozen dataclasses once they are used."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, field, fields, is_dataclass, replace
from typing import Any, ClassVar

import pytest

from stripe_billing_router.frozen import frozen


@frozen
class Point:
    """A point."""

    x: int
    tags: list[str] = field(default_factory=list, compare=False, repr=False)
    name: str = "p"
    kind: ClassVar[str] = "point"

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError(self.x)


@frozen
class Placed(Point):
    """A point with a place."""

    place: int = 3


def test_it_is_what_dataclass_makes() -> None:
    point, placed = Point(1), Placed(2, place=4)
    assert (repr(point), repr(placed)) == (
        "Point(x=1, name='p')",
        "Placed(x=2, name='p', place=4)",
    )
    assert point == Point(1, ["other"])
    assert point != placed
    assert {point: 1}[Point(1)] == 1
    assert replace(placed, x=9) == Placed(9, place=4)
    assert asdict(placed) == {"x": 2, "tags": [], "name": "p", "place": 4}
    assert [one.name for one in fields(Placed)] == ["x", "tags", "name", "place"]
    assert pickle.loads(pickle.dumps(placed)) == copy.copy(placed) == placed  # noqa: S301 - just made
    assert (point.kind, Point.__slots__, hasattr(point, "__dict__")) == (  # type: ignore[attr-defined]
        "point",
        ("x", "tags", "name"),
        False,
    )
    with pytest.raises(ValueError, match="-1"):
        Point(-1)


def test_what_is_looked_up_first_makes_no_difference() -> None:
    def fresh() -> Any:
        return frozen(type("Fresh", (), {"__annotations__": {"x": int}, "x": 5}))

    assert fresh()().x == 5
    assert is_dataclass(fresh())
    assert str(inspect.signature(fresh())) == "(x: int = 5) -> None"
    assert fresh().__match_args__ == ("x",)


@pytest.mark.parametrize(
    "change",
    [lambda p: setattr(p, "x", 2), lambda p: delattr(p, "x"), lambda p: setattr(p, "more", 2)],
)
def test_nothing_of_it_can_be_changed(change: Callable[[Point], None]) -> None:
    with pytest.raises(FrozenInstanceError):
        change(Point(1))
