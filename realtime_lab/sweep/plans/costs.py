"""What the trials of a study cost: its stored usage priced by a table, whenever a frame is asked for.

Price tables are the shipped one and those of a user's own, read from TOML; every mistake in a file is named.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from realtime_lab.analysis.cost import Price, PriceTable, TranscriptionPrice, response_usd, transcription_usd
from realtime_lab.config import SessionConfig
from realtime_lab.errors import PlanError, Problem
from realtime_lab.resources import data_path
from realtime_lab.session import Live, Target

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


Floats = NDArray[np.float64]


class Billing(NamedTuple):
    """Which prices the sessions of a study go by, one entry per trial; None where a price is not known."""

    models: list[Price | None]
    transcription: list[TranscriptionPrice | None]
    transcribes: list[bool]
    """Whether anything is transcribed."""


def billing_of(
    table: PriceTable,
    trials: Mapping[str, list[Any]],
    effective: Mapping[str, Mapping[str, Any]],
    asked_models: Sequence[str | None],
) -> Billing:
    """What each trial is billed by.

    Args:
        table: The prices.
        trials: As `StudyReader.trials` gives them.
        effective: Effective configurations by hash.
        asked_models: The model that each setting asks for. It counts where the server's own word has no price, as
            with a deployment's name.
    """
    asked = [asked_models[setting] for setting in trials["setting"]]
    found: dict[tuple[str | None, str | None], tuple[Price | None, TranscriptionPrice | None, bool]] = {}
    for key, model in zip(trials["effective"], asked, strict=True):
        if (key, model) not in found:
            session = effective.get(key, {}) if key is not None else {}
            recogniser = _inner(session, "audio", "input", "transcription")
            name = recogniser.get("model") if isinstance(recogniser, dict) else None
            heard = table.transcription.get(name) if isinstance(name, str) else None
            spoken = table.price(session.get("model")) or table.price(model)
            found[key, model] = spoken, heard, isinstance(recogniser, dict)
    each = [found[place] for place in zip(trials["effective"], asked, strict=True)]
    return Billing([spoken for spoken, _, _ in each], [heard for _, heard, _ in each], [told for _, _, told in each])


def asked_models(plan: Any, axes: Any, settings: Any) -> list[str | None]:
    """The model that each setting of a study asks for, from what the study keeps of its plan."""
    path_of = {axis["path"]: axis["name"] for axis in axes}
    base, name = _inner(plan, "config", "model"), path_of.get("model")
    return [base if name is None else setting.get(name) for setting in settings]


def model_of(config: SessionConfig, target: Target) -> Any:
    """The model that a session of a target asks for."""
    return (target.model if isinstance(target, Live) else None) or config.get("model")


def lacking_model(configs: Iterable[SessionConfig], target: Target) -> list[Problem]:
    """That OpenAI's service is asked for no model, where it is; it has none of its own accord, but to transcribe."""
    if not isinstance(target, Live) or target.service != "openai":
        return []
    if all(model_of(config, target) or config.session_type == "transcription" for config in configs):
        return []
    hint = "name it in the configuration, such as SessionConfig(model='gpt-realtime-2.1')"
    return [Problem("model", None, f"the name of a model: {target.name} has no model of its own accord", hint)]


def price_of(table: PriceTable, config: SessionConfig, target: Target) -> Price | None:
    """The price of that model; where it has none, as a deployment's name, that of the configuration's own model."""
    return table.price(model_of(config, target)) or table.price(config.get("model"))


def _inner(session: object, *path: str) -> Any:
    for step in path:
        session = session.get(step) if isinstance(session, Mapping) else None
    return session


def responses_usd(rows: pa.Table, billing: Billing) -> Floats:
    """What each response cost, NaN where that is not known.

    Args:
        rows: Stored rows of kind responses.
        billing: Of the study's trials.
    """
    return _priced(rows, billing.models, response_usd)


def trials_usd(trial_rows: pa.Table, response_rows: pa.Table, billing: Billing) -> tuple[Floats, Floats]:
    """(all of it, transcripts only) for each trial of the plan; NaN where it was not run or is not known.

    Args:
        trial_rows: Stored rows of kind trials.
        response_rows: Stored rows of kind responses.
        billing: Of the study's trials.
    """
    count = len(billing.models)
    total, transcripts = np.full(count, np.nan), np.full(count, np.nan)
    numbers = trial_rows["trial_number"].to_numpy()
    heard = _priced(trial_rows, billing.transcription, transcription_usd)
    silent = ~np.array(billing.transcribes, dtype=bool)[numbers]
    transcripts[numbers] = np.where(silent, 0.0, heard)
    answers = np.bincount(
        response_rows["trial_number"].to_numpy(), weights=responses_usd(response_rows, billing), minlength=count
    )
    total[numbers] = transcripts[numbers] + answers[numbers]
    return total, transcripts


def _priced(
    table: pa.Table, prices: Sequence[Any], formula: Callable[[Any, Callable[[str], Floats]], Floats]
) -> Floats:
    """Apply a formula to the rows of each price in turn; `prices` are of the trials."""
    found = np.full(table.num_rows, np.nan)
    known: dict[Any, int] = {}
    place = {id(None): -1}
    for price in prices:
        if id(price) not in place:  # hashing a price takes longer than asking which object it is
            place[id(price)] = known.setdefault(price, len(known))
    of_trial = np.array([place[id(price)] for price in prices], dtype=np.int64)
    of_row = of_trial[table["trial_number"].to_numpy()]
    for price, number in known.items():
        mask = of_row == number

        def column(name: str, mask: NDArray[np.bool_] = mask) -> Floats:
            values: Floats = table[name].to_numpy().astype(np.float64)
            return values[mask]

        found[mask] = formula(price, column)
    return found
