"""What the families declare fits the SDK and each other."""

from __future__ import annotations

import pytest

from stripe_billing_router.sandbox.family import Family, Route
from stripe_billing_router.sandbox.resources import FAMILIES
from stripe_billing_router.sandbox.shapes import Shape, shape_of
from stripe_billing_router.stripe_parameters import declared

ROUTES = [route for family in FAMILIES for route in family.routes]
KINDS = {kind for family in FAMILIES for kind in family.nouns}


def reachable(type_name: str, seen: set[str]) -> None:
    """Walk through every parameter of a request, however deep."""
    if type_name in seen:
        return
    seen.add(type_name)
    package = type_name.rpartition(".")[0]
    for annotation in declared(type_name).values():
        walk(shape_of(annotation), package, seen)


def walk(shape: Shape, package: str, seen: set[str]) -> None:
    """Check one shape, and go into what it holds."""
    assert shape.scalars or shape.words or shape.item or shape.fields or shape.free
    for inner in (shape.item, shape.free):
        if inner:
            walk(inner, package, seen)
    if shape.fields:
        reachable(f"{package}.{shape.fields}".lstrip("."), seen)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern}")
def test_every_parameter_of_a_route_is_understood(route: Route) -> None:
    reachable(route.params, set())


def test_no_two_routes_are_the_same() -> None:
    assert len({(route.method, route.pattern) for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: next(iter(family.nouns)))
def test_whatever_can_be_expanded_is_a_known_kind(family: Family) -> None:
    for kind, fields in family.expandable.items():
        for target in "|".join(fields.values()).split("|"):
            name = target.removeprefix("list:")
            assert name in KINDS or name.startswith(f"{kind}.") or name in ("discount", "source")
