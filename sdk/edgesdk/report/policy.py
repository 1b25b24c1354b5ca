"""How much worse than another a run may be: limits by metric, one strict TOML."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from edgesdk.errors import EdgeError
from edgesdk.report.metrics import NAMES
from edgesdk.report.strict import read_as
from edgesdk.toml_table import did_you_mean

SCHEMA = 1


@dataclass(frozen=True)
class Limit:
    """How much worse than A's figure B's may be.

    `allowed` is in the metric's unit, `allowed_pct` in per cent of A's figure; with both, the
    wider one holds; with neither, nothing is allowed.
    """

    better: Literal["lower", "higher", "same"]
    allowed: float | None = None
    allowed_pct: float | None = None
    missing: Literal["regression", "ignore"] = "regression"

    def slack(self, before: float) -> float:
        """By how much the figure after `before` may be worse."""
        relative = abs(before) * (self.allowed_pct or 0.0) / 100
        return max(self.allowed or 0.0, relative)

    def sentence(self, unit: str) -> str:
        """The limit as a table shows it."""
        if self.better == "same":
            return "the same"
        sign = "+" if self.better == "lower" else "-"
        parts = []
        if self.allowed is not None:
            named = "points" if unit == "%" else unit
            parts.append(f"{sign}{self.allowed:g} {named}".rstrip())
        if self.allowed_pct is not None:
            parts.append(f"{sign}{self.allowed_pct:g} %")
        return " or ".join(parts) if parts else f"{sign}0"


@dataclass(frozen=True)
class Policy:
    """Limits of metrics; those without one are shown and never judged."""

    schema: int
    name: str
    metrics: Mapping[str, Limit]


def default_policy_text() -> str:
    """The policy that holds without --policy, with what its keys mean."""
    return files("edgesdk.report").joinpath("policy.toml").read_text(encoding="utf-8")


def default_policy() -> Policy:
    """The policy that holds without --policy."""
    return read_policy(default_policy_text(), "policy.toml")


def load_policy(path: Path) -> Policy:
    """The policy in a file.

    Raises:
        EdgeError: unreadable, or it contradicts itself.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise EdgeError(f"{path}: cannot be read ({why}); check the path") from error
    return read_policy(text, str(path))


def read_policy(text: str, where: str) -> Policy:
    """The policy in a TOML text; `where` names it in errors.

    Raises:
        EdgeError: no TOML, unknown keys or metrics, or limits that mean nothing.
    """
    again = "correct it; `edgesdk compare --print-policy` prints one to start from"
    try:
        policy = read_as(Policy, tomllib.loads(text), "policy")
        _check(policy)
    except ValueError as error:
        raise EdgeError(f"{where}: no policy ({error}); {again}") from error
    return policy


def _check(policy: Policy) -> None:
    if policy.schema != SCHEMA:
        raise ValueError(f"schema {policy.schema} is not {SCHEMA}")
    for name, limit in policy.metrics.items():
        if name not in NAMES:
            raise ValueError(f"no run has a metric {name!r}{did_you_mean(name, NAMES)}")
        for key in ("allowed", "allowed_pct"):
            value = getattr(limit, key)
            if value is not None and value < 0:
                raise ValueError(f"metrics.{name}.{key} = {value:g} is below 0")
            if value is not None and limit.better == "same":
                raise ValueError(f"metrics.{name}: 'same' leaves no room for {key}")
