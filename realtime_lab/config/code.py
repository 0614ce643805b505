"""Writing a session as Python: the cell that builds it again, and the short form for a repr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from realtime_lab.config.places import KEYWORDS, MISSING, Tree, lookup
from realtime_lab.config.shape import LOGPROBS

_WIDTH = 100
_ONE_LINE = 10**9
_CLASSES = {
    "server_vad": "ServerVad",
    "semantic_vad": "SemanticVad",
    "transcription": "Transcription",
    "noise_reduction": "NoiseReduction",
}


def cell(tree: Tree, name: str) -> str:
    """A Python cell that builds a session again.

    Args:
        tree: The session's plain fields.
        name: Variable to assign.
    """
    lines = ["import realtime_lab as rl", "", f"{name} = rl.SessionConfig("]
    for keyword, value in keywords(tree):
        text = _rendered(keyword, value, "rl.", _WIDTH)
        lines.extend(f"    {line}" for line in f"{keyword}={text},".split("\n"))
    return "\n".join([*lines, ")"]) if len(lines) > 3 else "\n".join([*lines[:2], f"{name} = rl.SessionConfig()"])


def one_line(tree: Tree) -> str:
    """The same on one line, without imports."""
    shown = [f"{keyword}={_rendered(keyword, value, '', _ONE_LINE)}" for keyword, value in keywords(tree)]
    return f"SessionConfig({', '.join(shown)})"


def keywords(tree: Tree) -> Iterator[tuple[str, object]]:
    """The constructor's keywords and plain values that say what a tree says, flat ones for what is in `audio`."""
    for name, value in tree.items():
        if name == "audio":
            for place in KEYWORDS:
                inner = lookup(tree, place.path)
                if inner is not MISSING:
                    yield place.name, inner
        elif name == "include" and value == [LOGPROBS]:
            yield "logprobs", True
        else:
            yield name, value


def _rendered(keyword: str, value: object, prefix: str, width: int) -> str:
    kind = keyword
    if keyword == "turn_detection" and isinstance(value, Mapping):
        kind = str(value.get("type"))
    if not isinstance(value, Mapping) or kind not in _CLASSES:
        return _literal(value, width)
    fields = [(name, entry) for name, entry in value.items() if (keyword, name) != ("turn_detection", "type")]
    return _bracketed(f"{prefix}{_CLASSES[kind]}(", [(f"{name}=", entry) for name, entry in fields], ")", width)


def _literal(value: object, width: int) -> str:
    """A plain value as Python, broken over lines where it is wider than `width`."""
    if isinstance(value, Mapping):
        return _bracketed("{", [(f"{_quoted(key)}: ", entry) for key, entry in value.items()], "}", width)
    if isinstance(value, list):
        return _bracketed("[", [("", entry) for entry in value], "]", width)
    return _quoted(value) if isinstance(value, str) else repr(value)


def _bracketed(opening: str, entries: list[tuple[str, object]], closing: str, width: int) -> str:
    line = opening + ", ".join(name + _literal(entry, _ONE_LINE) for name, entry in entries) + closing
    if len(line) <= width:
        return line
    lines = [(name + _literal(entry, width - 4)).replace("\n", "\n    ") for name, entry in entries]
    return "\n".join([opening, *(f"    {entry}," for entry in lines), closing])


def _quoted(text: str) -> str:
    """A text literal in double quotes where that needs no more escapes."""
    literal = repr(text)
    return literal if '"' in literal else f'"{literal[1:-1]}"'
