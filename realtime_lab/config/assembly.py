"""Filling a new session from plain values: names move to their places, all is checked, all mistakes are returned.

What a user or a file asks for is refused when it does not fit; what a server says is kept whatever it is.
"""

from __future__ import annotations

from realtime_lab.config.frozen_json import overlaid
from realtime_lab.config.masking import masked
from realtime_lab.config.part import settle
from realtime_lab.config.places import FLAT, KEYWORDS, MISSING, Place, Tree, fold, fold_logprobs, lookup, remove, store
from realtime_lab.config.problems import Flaw
from realtime_lab.config.rules import broken_rules
from realtime_lab.config.shape import SessionShape
from realtime_lab.config.wire import REPORTED
from realtime_lab.errors import Problem

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
