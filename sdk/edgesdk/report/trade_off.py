"""The trade-off of end-pointers as an evaluation wrote it: latency against early cut-offs."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgesdk.errors import EdgeError

SCHEMA, VERSION = "edgesdk.endpoint", 1


@dataclass(frozen=True)
class TradePoint:
    """What one threshold gives: median latency, and streams cut off early in per cent."""

    threshold: float
    median_ms: float
    cut_off_pct: float


Curves = dict[str, tuple[TradePoint, ...]]


def trade_off_document(curves: Curves, **more: Any) -> dict[str, Any]:
    """Plain JSON values that `read_trade_off` takes; `more` stands beside the curves."""
    lines = {
        name: [
            {"threshold": it.threshold, "median_ms": it.median_ms, "cut_off_pct": it.cut_off_pct}
            for it in points
        ]
        for name, points in curves.items()
    }
    return {"schema": SCHEMA, "version": VERSION, **more, "curves": lines}


def _point(entry: Any) -> TradePoint:
    point = TradePoint(
        float(entry["threshold"]), float(entry["median_ms"]), float(entry["cut_off_pct"])
    )
    if not (math.isfinite(point.median_ms) and 0 <= point.cut_off_pct <= 100):
        raise ValueError("a point is out of range")
    return point


def read_trade_off(path: Path) -> Curves:
    """The curves of an evaluation, by name.

    Raises:
        EdgeError: unreadable, or no such evaluation.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA or document["version"] != VERSION:
            raise ValueError("another schema")
        lines = document["curves"].items()
        return {str(name): tuple(_point(entry) for entry in points) for name, points in lines}
    except OSError as error:
        raise EdgeError(
            f"endpoint-curve: {path}: cannot be read ({error.strerror}); check the path"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EdgeError(
            f"endpoint-curve: {path}: no evaluation of end-pointers ({error!r}); give the "
            "endpoint.json that examples/commands/endpoint.py writes"
        ) from error
