"""Filling a new session from plain values: names move to their places, all is checked, all mistakes are returned.

What a user or a file asks for is refused when it does not fit; what a server says is kept whatever it is. The rules
that no single field can check stand here too: transcription sessions, what `extra` may lay over, what must stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from realtime_lab.config.frozen_json import overlaid
from realtime_lab.config.masking import masked
from realtime_lab.config.parts.part import settle
from realtime_lab.config.problems import Flaw, Where
from realtime_lab.config.shape import LOGPROBS, SessionShape
from realtime_lab.config.wire import (
    FLAT,
    KEYWORDS,
    MISSING,
    REPORTED,
    Place,
    Tree,
    fold,
    fold_logprobs,
    lookup,
    remove,
    store,
)
from realtime_lab.errors import Problem

_TRANSCRIPTION_FIELDS = ("session_type", "audio", "include", "extra")
_NO_VAD = ("gpt-live-transcribe", "gpt-realtime-whisper")
_TRANSCRIPTION = ("audio", "input", "transcription")
_TURN_DETECTION = ("audio", "input", "turn_detection")


def broken_rules(tree: Tree) -> list[Flaw]:
    """Mistakes across fields of a plain session tree, which may have mistakes within fields too."""
    return [*_transcription_session(tree), *_shadowed(tree, tree.get("extra"), ())]


def unheard_logprobs(tree: Tree) -> str:
    """The warning that log-probabilities are asked for without a recogniser to give them, "" when all is well."""
    include = tree.get("include")
    if not isinstance(include, list) or LOGPROBS not in include:
        return ""
    model = lookup(tree, (*_TRANSCRIPTION, "model"))
    if isinstance(model, str):
        return ""
    return (
        f'include asks for "{LOGPROBS}", but audio.input.transcription.model is not set: '
        "no log-probabilities will come; set transcription, or leave include out"
    )


def tracing_change(current: object, wanted: object) -> Problem | None:
    """Why a session may not be given other tracing; None when it may.

    Args:
        current: The running session's `tracing`; None: off.
        wanted: What an update asks for.
    """
    if current is None or wanted == current:
        return None
    hint = "tracing cannot be changed once it is on: open another session"
    return Problem("tracing", masked(wanted), "what the session has already, or unset", hint)


def _transcription_session(tree: Tree) -> Iterator[Flaw]:
    if tree.get("session_type") != "transcription":
        return
    for name, value in tree.items():
        if name not in _TRANSCRIPTION_FIELDS:
            yield _foreign((name,), value)
    output = lookup(tree, ("audio", "output"))
    if output not in (MISSING, {}):
        yield _foreign(("audio", "output"), output)
    model = lookup(tree, (*_TRANSCRIPTION, "model"))
    turn_detection = lookup(tree, _TURN_DETECTION)
    if model in _NO_VAD and isinstance(turn_detection, dict):
        path = ".".join(_TURN_DETECTION)
        hint = f"{model} has no turn detection: the client commits the audio"
        yield Flaw(_TURN_DETECTION, Problem(path, masked(turn_detection), "null", hint))


def _foreign(where: tuple[str, ...], value: object) -> Flaw:
    path = ".".join(where)
    hint = "a transcription session has audio.input and include only"
    allowed = "unset in a transcription session"
    return Flaw(where, Problem(path, masked(value, where[-1]), allowed, hint, "unknown_parameter"))


def _shadowed(below: object, layer: object, where: Where) -> Iterator[Flaw]:
    """Values in `extra` that stand where a field is set."""
    if not isinstance(below, Mapping) or not isinstance(layer, Mapping):
        return
    for key, value in layer.items():
        if key not in below or key in ("extra", "session_type"):
            continue
        if isinstance(value, Mapping) and isinstance(below[key], Mapping):
            yield from _shadowed(below[key], value, (*where, key))
            continue
        path = ".".join(str(step) for step in (*where, key))
        hint = f"{path} is set already: give it once"
        yield Flaw(("extra",), Problem(f"extra.{path}", masked(value, key), "a field that is not set", hint))


_NOT_ON_THE_WIRE = ("session_type", "extra")
"""Fields of a configuration that the session object has by another name, or not at all."""


def assemble(config: SessionShape, tree: Tree, places: tuple[Place, ...] = ()) -> list[Flaw]:
    """Fill a session from its own fields and the other names in `places`; returns every mistake."""
    flaws = fold(tree, places)
    if places is KEYWORDS:
        flaws += fold_logprobs(tree)
    return [*flaws, *_settled(config, tree)]


def assemble_wire(config: SessionShape, tree: Tree) -> list[Flaw]:
    """Fill a session from an object in any wire shape; returns every mistake."""
    flaws = [
        Flaw((name,), Problem(name, masked(value, name), "a field of the session object", code="unknown_parameter"))
        for name, value in _from_wire_names(tree).items()
    ]
    return [*flaws, *assemble(config, tree, FLAT)]


def assemble_said(config: SessionShape, tree: Tree) -> list[Flaw]:
    """Fill a session from what a server says; what does not fit goes to `extra`, in the ga shape.

    Returns:
        The mistakes nothing can be made of: one field stated differently in two places, or values that are not JSON.
    """
    extra = _from_wire_names(tree)
    flaws = fold(tree, FLAT, merge=True)
    unfit = _settled(config, tree)
    while unfit:
        taken = _take_out(tree, unfit)
        if not taken:
            return [*flaws, *unfit]
        extra = overlaid(extra, taken)
        unfit = _settled(config, tree)
    if extra:
        tree["extra"] = extra
        flaws += settle(config, tree)
    return flaws


def _settled(config: SessionShape, tree: Tree) -> list[Flaw]:
    if tree.get("session_type") == "realtime":
        del tree["session_type"]  # the same as not given, so that equal sessions have one form
    if tree.get("extra") == {}:
        del tree["extra"]
    return [*settle(config, tree), *broken_rules(tree)]


def _from_wire_names(tree: Tree) -> Tree:
    """Leave the configuration in a wire object; returns names that mean a field here, but not on the wire."""
    reported = {name: tree.pop(name) for name in REPORTED if name in tree}
    strangers = {name: tree.pop(name) for name in _NOT_ON_THE_WIRE if name in tree}
    if "type" in tree:
        tree["session_type"] = tree.pop("type")
    elif reported.get("object") == "realtime.transcription_session":
        tree["session_type"] = "transcription"
    return strangers


def _take_out(tree: Tree, flaws: list[Flaw]) -> Tree:
    """Move what the flaws are about out of a tree, whole values where a list or a missing field is at fault."""
    taken: Tree = {}
    gone: list[tuple[str, ...]] = []
    for flaw in flaws:
        index = next((place for place, step in enumerate(flaw.where) if isinstance(step, int)), len(flaw.where))
        steps = tuple(str(step) for step in flaw.where[:index])
        if any(steps[: len(path)] == path for path in gone):
            continue
        while steps and lookup(tree, steps) is MISSING:
            steps = steps[:-1]
        if steps:
            gone.append(steps)
            store(taken, ("type",) if steps == ("session_type",) else steps, remove(tree, steps))
    return taken
