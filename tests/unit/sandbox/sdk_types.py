"""What the Stripe SDK's own classes say of an answer, and where an answer says otherwise."""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from importlib import import_module
from types import NoneType
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

from stripe import ListObject, PaymentIntent, StripeObject
from stripe._error_object import ErrorObject
from stripe._object_classes import OBJECT_CLASSES
from stripe._stripe_object import UntypedStripeObject

from tests.unit.sandbox.left_out import LEFT_OUT, UNLISTED

Found = Iterator[tuple[str, str]]
_SCALARS: dict[object, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float)}


ABSENT = "is left out"

PINNED = os.environ.get("TEST_WHEEL") != "oldest"
"""Whether the SDK is the one that the sandbox is held against: an older one lacks fields."""


def faults(body: Any) -> list[str]:
    """Return what the body of an answer has that the SDK's types do not, or the reverse.

    A field is named by its class: `Charge.Outcome.reason is null`. What is known to be left out is
    none.
    """
    return [f"{where} {what}" for where, what in found(body) if not _known(where, what)]


def found(body: Any) -> Found:
    """Yield every difference, the known ones too: `(class and field, what)`."""
    if "error" in body:
        yield from _of_class(body["error"], ErrorObject)
        yield from _of_class(body["error"], PaymentIntent.LastPaymentError)
    elif body.get("object") == "list":
        yield from _of_list(body, Any)
    else:
        yield from _of_object(body)


def _known(where: str, what: str) -> bool:
    return what == ABSENT and (where in LEFT_OUT or f"{where.rpartition('.')[0]}.*" in LEFT_OUT)


def _of_object(value: Mapping[str, Any]) -> Found:
    """An object that says itself what it is."""
    if value.get("deleted"):
        yield from _deleted(value)
        return
    module, name = OBJECT_CLASSES[value["object"]]
    yield from _of_class(value, getattr(import_module(module), name))


def _deleted(value: Mapping[str, Any]) -> Found:
    if set(value) != {"id", "object", "deleted"}:
        yield value["object"], f"has, deleted, {sorted(value)}"


def _of_class(value: Any, cls: type) -> Found:
    if not isinstance(value, Mapping):
        yield cls.__qualname__, f"is {value!r}"
        return
    declared = _declared(cls)
    for name in sorted(set(value) - set(declared)):
        yield f"{cls.__qualname__}.{name}", "is not declared"
    for name, annotation in declared.items():
        where = f"{cls.__qualname__}.{name}"
        if name in value:
            yield from _of(value[name], annotation, where, cls)
        elif NoneType not in get_args(annotation):
            yield where, "is missing"
        elif not _is_another(name, annotation, value, declared):
            yield where, ABSENT


def _declared(cls: type) -> dict[str, Any]:
    """The fields of a class and of those it is made from, such as the error of a payment intent."""
    return {
        name: annotation
        for base in reversed(cls.__mro__)
        if issubclass(base, StripeObject) and base is not StripeObject
        for name, annotation in inspect.get_annotations(base).items()
        if name.islower() and not name.startswith("_") and name != "deleted"
    }


def _is_another(
    name: str, annotation: Any, value: Mapping[str, Any], declared: Mapping[str, Any]
) -> bool:
    """Say whether a part is that of another `type`: only the one that it names is there."""
    kind = value.get("type")
    return kind in declared and kind != name and any(map(_is_part, get_args(annotation)))


def _is_part(kind: Any) -> bool:
    free = get_origin(kind) in (dict, UntypedStripeObject)
    return free or (inspect.isclass(kind) and issubclass(kind, StripeObject))


def _words(annotation: Any) -> set[str]:
    parts = [annotation, *get_args(annotation)]
    return {word for part in parts if get_origin(part) is Literal for word in get_args(part)}


def _of(value: Any, annotation: Any, where: str, cls: type) -> Found:
    kinds = list(_alternatives(annotation, cls))
    if kinds == [Any] and not isinstance(value, Mapping):
        return
    if value is None:
        if NoneType not in kinds:
            yield where, "is null"
    elif isinstance(value, Mapping):
        yield from _mapping(value, kinds, where, cls)
    elif isinstance(value, list):
        items = [get_args(kind)[0] for kind in kinds if get_origin(kind) is list]
        if len(items) != 1:
            yield where, "is a list"
            return
        for item in value:
            yield from _of(item, items[0], f"{where}[]", cls)
    elif not any(_is_scalar(value, kind) for kind in kinds) or _foreign(value, annotation, where):
        yield where, f"is {value!r}"


def _alternatives(annotation: Any, cls: type) -> Iterator[Any]:
    if isinstance(annotation, ForwardRef | str):
        yield from _alternatives(_resolved(annotation, cls), cls)
    elif get_origin(annotation) is Union:
        for part in get_args(annotation):
            yield from _alternatives(part, cls)
    else:
        yield annotation


def _mapping(value: Mapping[str, Any], kinds: list[Any], where: str, cls: type) -> Found:
    classes = [kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, StripeObject)]
    origins = {get_origin(kind): kind for kind in kinds}
    if Any in kinds:
        return
    if ListObject in origins:
        yield from _of_list(value, get_args(origins[ListObject])[0], cls)
    elif UntypedStripeObject in origins or dict in origins:
        free = get_args(origins.get(UntypedStripeObject) or origins[dict])[-1]
        if free is Any and value.get("object") in OBJECT_CLASSES:  # what an event is about
            yield from _of_object(value)
        for name, item in value.items():
            yield from _of(item, free, f"{where}.{name}", cls)
    elif isinstance(value.get("object"), str) and classes:
        named = OBJECT_CLASSES.get(value["object"], ("", value["object"]))[1]
        if named not in {c.__name__ for c in classes}:
            yield where, f"is a {value['object']}"
        yield from _of_object(value)
    elif len(classes) == 1:
        yield from _of_class(value, classes[0])
    else:
        yield where, "is an object"


def _of_list(value: Mapping[str, Any], item: Any, cls: type = ListObject) -> Found:
    if set(value) != {"object", "data", "has_more", "url"}:
        yield "list", f"has {sorted(value)}"
    for one in value["data"]:
        if item is Any:
            yield from _of_object(one)
        else:
            yield from _of(one, item, "list", cls)


def _is_scalar(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if isinstance(value, bool):
        return kind is bool
    if kind is Decimal:
        return isinstance(value, str) and _is_decimal(value)
    return isinstance(value, _SCALARS.get(kind, ()))


def _is_decimal(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _foreign(value: Any, annotation: Any, where: str) -> bool:
    """A word that is not among those that are listed: the SDK takes any, for those to come."""
    words = _words(annotation)
    return bool(words) and value not in words | UNLISTED.get(where, set())


def _resolved(annotation: ForwardRef | str, cls: type) -> Any:
    text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
    return eval(text, _names(cls.__module__))  # noqa: S307 - the SDK's own source


@lru_cache
def _names(module: str) -> dict[str, Any]:
    """What a module of the SDK knows, and what it imports for type checkers alone."""
    known = dict(vars(sys.modules[module]))
    for node in ast.walk(ast.parse(inspect.getsource(sys.modules[module]))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stripe."):
            for name in node.names:
                source = import_module(str(node.module))
                if hasattr(source, name.name):
                    known[name.asname or name.name] = getattr(source, name.name)
    return known
