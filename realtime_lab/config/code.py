"""A session written out: the cell that builds it again, its short repr, and the folded table of a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping

from realtime_lab.config.fields import short_path, treatment
from realtime_lab.config.frozen_json import canonical_text
from realtime_lab.config.masking import masked, shortened
from realtime_lab.config.parts.audio import TURN_DETECTIONS
from realtime_lab.config.shape import LOGPROBS
from realtime_lab.config.wire import KEYWORDS, MISSING, Tree, lookup

_WIDTH = 100
_ONE_LINE = 10**9
_CLASSES = {
    **{kind.model_fields["type"].default: kind.__name__ for kind in TURN_DETECTIONS},
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


_CELL = "padding:2px 12px 2px 0;text-align:left;vertical-align:top"
_MUTED = "color:var(--jp-ui-font-color2, GrayText)"
_LONGEST_TEXT = 300


def session_html(leaves: Mapping[str, object], extra: Mapping[str, object]) -> str:
    """The HTML of a session.

    Args:
        leaves: Plain values of the fields that are set, by full path.
        extra: What is laid over them.
    """
    rows = [_row(short_path(path), path, value, treatment(path, value)) for path, value in leaves.items()]
    rows += [_row(name, f"extra.{name}", value, "unknown field") for name, value in extra.items()]
    count = len(rows)
    said = f"{count} field{'s' if count != 1 else ''} set" if count else "nothing set: the server's own defaults"
    head = "".join(f'<th style="{_CELL}">{title}</th>' for title in ("field", "value", "mocked server"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>" if rows else ""
    return f'<details class="rl-config"{" open" * bool(rows)}><summary>SessionConfig: {said}</summary>{table}</details>'


def _row(name: str, path: str, value: object, note: str) -> str:
    text = canonical_text(shortened(masked(value, path.rpartition(".")[2]), _LONGEST_TEXT))
    cells = [
        f'<td style="{_CELL}" title="{html.escape(path)}">{html.escape(name)}</td>',
        f'<td style="{_CELL};white-space:pre-wrap"><code>{html.escape(text)}</code></td>',
        f'<td style="{_CELL};{_MUTED}">{html.escape(note)}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"
