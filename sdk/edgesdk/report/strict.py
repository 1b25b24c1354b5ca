"""Plain JSON or TOML values -> dataclasses, by their annotations: no key missing, none unknown."""

import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from edgesdk.toml_table import did_you_mean

T = TypeVar("T")


def read_as(kind: type[T], value: object, where: str) -> T:
    """`value` as a `kind`, whose annotations are followed into every field.

    Numbers have to be finite; a whole number may stand for a real one; lists become tuples.

    Raises:
        ValueError: `where` and the field inside it, and what is wrong there.
    """
    return cast(T, _read(kind, value, where))


def _read(kind: Any, value: object, where: str) -> object:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _read_union(inner, value, where)
    if origin is Literal:
        if value in inner:
            return value
        raise ValueError(f"{where} = {value!r} is none of {', '.join(map(repr, inner))}")
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        if not isinstance(value, dict):
            raise _wrong(kind, value, where)
        return {str(key): _read(inner[1], it, f"{where}.{key}") for key, it in value.items()}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _read_items(inner, value, where)
    if is_dataclass(kind):
        return _read_fields(kind, value, where)
    return _read_scalar(kind, value, where)


def _wrong(kind: Any, value: object, where: str) -> ValueError:
    wanted = getattr(kind, "__name__", str(kind))
    return ValueError(f"{where} is a {type(value).__name__}, not a {wanted}")


def _read_union(kinds: Sequence[Any], value: object, where: str) -> object:
    """The member of exactly the value's type, else the only other one that takes it."""
    if value is None and type(None) in kinds:
        return None
    if type(value) in kinds:
        return _read(type(value), value, where)
    failed = _wrong(" or ".join(getattr(it, "__name__", str(it)) for it in kinds), value, where)
    for kind in kinds:
        if kind is not type(None):
            try:
                return _read(kind, value, where)
            except ValueError as error:
                failed = error
    raise failed


def _read_items(inner: tuple[Any, ...], value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where} is a {type(value).__name__}, not a list")
    if len(inner) == 1 or inner[-1] is Ellipsis:
        return tuple(_read(inner[0], it, f"{where}[{at}]") for at, it in enumerate(value))
    if len(inner) != len(value):
        raise ValueError(f"{where} has {len(value)} values, not {len(inner)}")
    pairs = zip(inner, value, strict=True)
    return tuple(_read(kind, it, f"{where}[{at}]") for at, (kind, it) in enumerate(pairs))


def _read_scalar(kind: type, value: object, where: str) -> object:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise _wrong(kind, value, where)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} = {value} is not finite")
    return value


def _needed(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _read_fields(kind: Any, value: object, where: str) -> object:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is a {type(value).__name__}, not a table")
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind)]
    unknown = [key for key in value if key not in known]
    if unknown:
        raise ValueError(f"{where}.{unknown[0]} is unknown{did_you_mean(unknown[0], known)}")
    missing = [it.name for it in fields(kind) if it.name not in value and _needed(it)]
    if missing:
        raise ValueError(f"{where}.{missing[0]} is missing")
    return kind(**{key: _read(hints[key], it, f"{where}.{key}") for key, it in value.items()})
