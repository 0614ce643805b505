"""How a session looks in a notebook: one folded HTML table, everything escaped, nothing fetched."""

from __future__ import annotations

import html
from collections.abc import Mapping

from realtime_lab.config.frozen_json import canonical_text
from realtime_lab.config.masking import masked, shortened
from realtime_lab.config.paths import short_path, treatment

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
