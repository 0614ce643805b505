"""Price tables: the shipped one and those of a user's own, read from TOML; every mistake in a file is named."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from realtime_lab.analysis.cost import Price, PriceTable, TranscriptionPrice
from realtime_lab.errors import PlanError, Problem
from realtime_lab.resources import data_path

__all__ = ["load_prices"]

_NEWEST = "prices/2026.toml"
_MAX_BYTES = 1_000_000
_TOKENS = ("text_in", "text_cached", "text_out", "audio_in", "audio_cached", "audio_out")
_TRANSCRIPTION = {"in": "token_in", "out": "token_out", "per_minute": "per_minute"}


def load_prices(path: str | Path | None = None) -> PriceTable:
    """Read a price table.

    Args:
        path: A TOML file as `data/prices/README.md` describes it; None: the shipped one.

    Raises:
        PlanError: If the file is missing, is not TOML or has mistakes; all of them are in `.errors`.
    """
    return _shipped() if path is None else _read(Path(path))


@lru_cache(maxsize=1)
def _shipped() -> PriceTable:
    return _read(data_path(_NEWEST))


def _read(path: Path) -> PriceTable:
    document = _document(path)
    problems: list[Problem] = []
    models = dict(_entries(document, "models", problems))
    transcription = dict(_entries(document, "transcription", problems))
    for name, fields in models.items():
        problems += [Problem(f"models.{name}.{key}", None, "a price") for key in _TOKENS if key not in fields]
        problems += [Problem(f"models.{name}.{key}", fields[key], ", ".join(_TOKENS)) for key in {*fields} - {*_TOKENS}]
    for name, fields in transcription.items():
        if set(fields) not in ({"in", "out"}, {"per_minute"}):
            problems.append(Problem(f"transcription.{name}", sorted(fields), "in and out, or per_minute"))
    for name in ("as_of", "source"):
        if not isinstance(document.get(name), str):
            problems.append(Problem(name, document.get(name), "a text"))
    if problems:
        raise PlanError(problems)
    return PriceTable(
        document["as_of"],
        document["source"],
        {name: Price(**fields) for name, fields in models.items()},
        {
            name: TranscriptionPrice(**{_TRANSCRIPTION[key]: value for key, value in fields.items()})
            for name, fields in transcription.items()
        },
    )


def _document(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PlanError([Problem("prices", str(path), f"a file of at most {_MAX_BYTES:,} bytes")])
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError([Problem("prices", str(path), "a price table", str(error.strerror))]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PlanError([Problem("prices", str(path), "a TOML file", str(error)[:200])]) from None


def _entries(
    document: Mapping[str, Any], table: str, problems: list[Problem]
) -> Iterator[tuple[str, dict[str, float]]]:
    """(name, prices) of one table, what is no price being reported."""
    found = document.get(table, {})
    for name, fields in found.items() if isinstance(found, dict) else ():
        kept: dict[str, float] = {}
        for key, value in fields.items() if isinstance(fields, dict) else ():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                problems.append(Problem(f"{table}.{name}.{key}", value, "USD, 0 or more"))
            kept[key] = value
        yield str(name), kept
