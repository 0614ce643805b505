"""The HTML every panel is made of: one style sheet, escaped text, big figures, badges. No widgets here.

Colours are Jupyter's own variables, so that panels follow the light and the dark theme; nothing is fetched. Whatever
comes from scripts, files, servers and users passes `text` on its way in.

A picture of a stretch of time has its sound under it: while it plays, a line moves over the picture.

The line follows the player in the browser alone, so that it is exact and asks nothing of the kernel; a click on the
picture plays from there. That takes three constant scripts, into which nothing is written; choosing a point of a plot
takes the one other that panels have. Where a front end runs no scripts, the sound plays and the line stands still.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from typing import NamedTuple

from realtime_lab.config import Treatment
from realtime_lab.errors import ConfigError, Problem, RealtimeLabError
from realtime_lab.report import Listening

_LONGEST = 2_000

STYLE = """<style>
.rl-panel {
  --rl-ink: var(--jp-ui-font-color1, CanvasText);
  --rl-muted: var(--jp-ui-font-color2, GrayText);
  --rl-faint: var(--jp-border-color2, #d5d9dd);
  --rl-ground: var(--jp-layout-color1, Canvas);
  --rl-lift: var(--jp-layout-color2, #f3f4f5);
  --rl-blue: var(--jp-brand-color1, #1976d2);
  --rl-red: var(--jp-error-color1, #d32f2f);
  --rl-green: var(--jp-success-color1, #388e3c);
  --rl-amber: var(--jp-warn-color1, #f57c00);
  color: var(--rl-ink); font-family: var(--jp-ui-font-family, system-ui, sans-serif); max-width: 1080px;
  padding: 4px 2px 8px;
}
.rl-panel .widget-html, .rl-panel .widget-html-content, .rl-panel .jupyter-widgets { line-height: 1.4; }
.rl-panel .widget-html > .widget-html-content { align-self: stretch; min-width: 0; width: 100%; }
.rl-panel h4 { margin: 2px 0 6px; font-size: 14px; font-weight: 600; }
.rl-panel .widget-inline-hbox .widget-label { text-align: left; color: var(--rl-muted); }
.rl-controls .rl-use { margin: 0 4px 0 24px; align-self: center; }
.rl-heading { margin-left: 10px; }
.rl-muted { color: var(--rl-muted); }
.rl-figures { display: flex; flex-wrap: wrap; gap: 6px 44px; align-items: flex-end; margin: 2px 0 8px; }
.rl-figure .rl-value { font-size: 24px; font-weight: 600; line-height: 1.15; font-variant-numeric: tabular-nums; }
.rl-figure.rl-main { min-width: 240px; }
.rl-figure.rl-main .rl-value { font-size: 44px; }
.rl-figure .rl-unit { font-size: 55%; font-weight: 400; color: var(--rl-muted); margin-left: 4px; }
.rl-figure .rl-name { font-size: 12px; color: var(--rl-muted); max-width: 300px; min-height: 17px; }
.rl-figure.rl-bad .rl-value { color: var(--rl-red); }
.rl-error { color: var(--rl-red); border-left: 3px solid var(--rl-red); background: var(--rl-lift);
  padding: 5px 10px; margin: 4px 0; font-size: 13px; white-space: pre-wrap; overflow-wrap: anywhere; }
.rl-note { color: var(--rl-muted); border-left: 3px solid var(--rl-amber); background: var(--rl-lift);
  padding: 5px 10px; margin: 4px 0; font-size: 12px; white-space: pre-wrap; overflow-wrap: anywhere; }
.rl-panel pre.rl-code { background: var(--rl-lift); color: var(--rl-ink); padding: 8px 10px; margin: 0; font-size: 12px;
  line-height: 1.45; font-family: var(--jp-code-font-family, monospace); white-space: pre-wrap;
  overflow-wrap: anywhere; max-height: 460px; overflow-y: auto; border: 0; }
.rl-wire pre.rl-code, .rl-config-code pre.rl-code { white-space: pre; overflow-x: auto; }
.rl-badge { font-size: 11px; padding: 0 6px; border-radius: 8px; border: 1px solid var(--rl-faint);
  color: var(--rl-muted); white-space: nowrap; }
.rl-badge-modelled { color: var(--rl-green); border-color: var(--rl-green); }
.rl-badge-approximated { color: var(--rl-amber); border-color: var(--rl-amber); }
.rl-svg { width: 100%; height: auto; display: block; font-family: inherit; }
.rl-svg text { fill: var(--rl-muted); font-size: 11.5px; }
.rl-label { font-size: 13px; overflow-wrap: anywhere; line-height: 1.25; padding-top: 5px; cursor: help; }
.rl-side { font-size: 12px; color: var(--rl-muted); padding-top: 4px; overflow-wrap: anywhere; line-height: 1.35; }
.rl-panel .rl-wrong { color: var(--rl-red); }
.rl-unset { opacity: .55; }
.rl-bar { height: 6px; background: var(--rl-lift); border-radius: 3px; overflow: hidden; margin: 2px 0 6px; }
.rl-bar > div { height: 100%; background: var(--rl-blue); }
.rl-bar.rl-bad > div { background: var(--rl-red); }
.rl-panel { --ink: var(--rl-ink); --muted: var(--rl-muted); --line: var(--rl-faint); --paper: var(--rl-ground);
  --c0: #1f5fa8; --c1: #d9602b; --c2: #2f8f5b; --c3: #8a5bab; --c4: #b08a1e; --c5: #5a6b7b; }
[data-jp-theme-light="false"] .rl-panel { --c0: #6ba6e8; --c1: #f08a5c; --c2: #5cbb88; --c3: #bb93dc; --c4: #dcb951;
  --c5: #9aabbd; }
.rl-player-picture { position: relative; }
.rl-player-picture svg { width: 100%; height: auto; display: block; }
.rl-seek { position: absolute; cursor: pointer; }
.rl-playhead { position: absolute; top: 0; bottom: 0; left: calc(var(--rl-at, 0) * 100%); pointer-events: none;
  border-left: 2px solid var(--rl-red); }
.rl-player:not([style]) .rl-playhead { display: none; }
.rl-audio { display: block; width: 100%; height: 36px; margin: 4px 0 0; }
.rl-table { border-collapse: collapse; font-size: 13px; color: var(--rl-ink); }
.rl-table th, .rl-table td { text-align: left; vertical-align: top; padding: 3px 22px 3px 0; overflow-wrap: anywhere;
  border-bottom: 1px solid var(--rl-faint); background: none; }
.rl-table th { font-weight: 400; color: var(--rl-muted); font-size: 12px; }
.rl-effective .rl-table { font-size: 12px; width: 100%; } .rl-effective .rl-table td { padding-right: 10px; }
.rl-effective .rl-table td:first-child { overflow-wrap: normal; }
.rl-effective .widget-html-content { max-height: 340px; overflow-y: auto; }
.rl-table .rl-number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.rl-table .rl-differs td { color: var(--rl-red); }
.rl-table .rl-total td { font-weight: 600; border-bottom: 0; }
.rl-wait { width: 100%; } .rl-wait .rl-bars { width: 66%; padding-right: 0; }
.rl-bars > div { height: 13px; min-width: 1px; margin-top: 2px; }
.rl-log { max-height: 420px; overflow-y: auto; font-size: 12px; margin-top: 4px; }
.rl-event { border-bottom: 1px solid var(--rl-faint); padding: 2px 0; }
.rl-event summary { cursor: pointer; overflow-wrap: anywhere; }
.rl-at { display: inline-block; width: 66px; text-align: right; margin-right: 10px; color: var(--rl-muted);
  font-variant-numeric: tabular-nums; }
.rl-client { color: var(--rl-blue); font-weight: 700; } .rl-server { color: var(--rl-green); font-weight: 700; }
.rl-point { position: absolute; width: 18px; height: 18px; margin: -9px 0 0 -9px; border-radius: 50%; cursor: pointer;
  box-sizing: border-box; }
.rl-point:hover { border: 2px solid var(--rl-muted); } .rl-point.rl-chosen { border: 2.5px solid var(--rl-red); }
.rl-points select, .rl-worst select { font-family: var(--jp-code-font-family, monospace); font-size: 11px; }
.rl-panel pre.rl-columns { font-family: var(--jp-code-font-family, monospace); font-size: 11px; margin: 0;
  padding: 0 0 0 4px; color: var(--rl-muted); white-space: pre; overflow: hidden; background: none; line-height: 1.4; }
.rl-plot img { background: white; border-radius: 4px; max-width: 100%; height: auto; }
</style>"""
"""The style sheet; every panel carries it once, and every rule is under a class of this package."""


def text(value: object, longest: int = _LONGEST) -> str:
    """Anything as escaped text, cut at `longest` characters."""
    shown = str(value)
    return html.escape(shown if len(shown) <= longest else shown[: longest - 1] + "…")


def figure(
    name: str, value: str, unit: str = "", note: str | None = "", *, main: bool = False, bad: bool = False
) -> str:
    """A number with its name over it and what to know about it below; all are escaped.

    Args:
        name: What it is.
        value: The number, in words.
        unit: Its unit.
        note: What to know; empty keeps the line, so that figures side by side line up, None leaves it out.
        main: It is the one that matters most.
        bad: It is bad news.
    """
    kind = "rl-figure" + " rl-main" * main + " rl-bad" * bad
    beside = f'<span class="rl-unit">{text(unit)}</span>' if unit else ""
    below = "" if note is None else f'<div class="rl-name">{text(note)}</div>'
    over = f'<div class="rl-name">{text(name)}</div>'
    return f'<div class="{kind}">{over}<div class="rl-value">{text(value)}{beside}</div>{below}</div>'


def badge(treatment: Treatment, reason: str) -> str:
    """How the mocked server treats a field; the reason shows on hovering."""
    return f'<span class="rl-badge rl-badge-{treatment}" title="{text(reason)}">{treatment}</span>'


def code_block(code: str) -> str:
    """Code or JSON as it stands."""
    return f'<pre class="rl-code">{text(code, 100_000)}</pre>'


def hint(words: str) -> str:
    """Quiet words beside a control."""
    return f'<div class="rl-side">{text(words)}</div>' if words else ""


def notice(words: str, kind: str = "error") -> str:
    """A strip that says what is wrong ("error") or worth knowing ("note"); empty words give no strip."""
    role = ' role="alert"' if kind == "error" else ""
    return f'<div class="rl-{kind}"{role}>{text(words)}</div>' if words else ""


def problem_text(problems: Iterable[Problem], path: str = "") -> str:
    """What is wrong with one field, without naming it: it stands beside the field.

    Args:
        problems: Its mistakes.
        path: The field; of a mistake further inside, only the rest of the path is named.
    """
    return "; ".join(_one(problem, path) for problem in problems)


def _one(problem: Problem, path: str) -> str:
    inside = problem.path.removeprefix(path).lstrip(".") if problem.path.startswith(path) and path else ""
    tail = f" ({problem.hint})" if problem.hint else ""
    given = "not given" if problem.value is None else _shown(problem.value)
    return f"{f'{inside} = ' if inside else ''}{given}: allowed: {problem.allowed}{tail}"


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:59] + "…"


def error_text(error: BaseException) -> str:
    """An exception for a reader: ours by their message, others with their type as well."""
    if isinstance(error, ConfigError):
        return str(error)
    said = str(error)
    return said if isinstance(error, RealtimeLabError) and said else f"{type(error).__name__}: {said}".rstrip(": ")


_SHOW = "this.closest('.rl-player').style.setProperty('--rl-at',this.duration?this.currentTime/this.duration:0)"
_FOLLOW = (
    "const a=this,p=a.closest('.rl-player');(function f(){p.style.setProperty('--rl-at',"
    "a.duration?a.currentTime/a.duration:0);if(!a.paused)requestAnimationFrame(f)})()"
)
_SEEK = (
    "const a=this.closest('.rl-player').querySelector('audio');"
    "if(a&&a.duration){a.currentTime=a.duration*Math.min(1,Math.max(0,event.offsetX/this.clientWidth));a.play()}"
)


class Frame(NamedTuple):
    """Where in a picture the stretch of time lies, as shares of its width from the left and its height from the top."""

    left: float
    right: float
    top: float
    bottom: float


def played_picture(svg: str, frame: Frame, sound: Listening | None, silent: str = "") -> str:
    """The picture with its player.

    Args:
        svg: The picture; safe HTML.
        frame: Where in it the sound begins and ends.
        sound: What is heard; its length is the stretch of time that is shown.
        silent: Why nothing is heard.
    """
    if sound is None:
        return f'<div class="rl-player"><div class="rl-player-picture">{svg}</div>{hint(silent)}</div>'
    media, raw = sound.compact()
    place = f"left:{100 * frame.left:.3f}%;width:{100 * (frame.right - frame.left):.3f}%;"
    place += f"top:{100 * frame.top:.3f}%;height:{100 * (frame.bottom - frame.top):.3f}%"
    return (
        f'<div class="rl-player"><div class="rl-player-picture">{svg}'
        f'<div class="rl-seek" style="{place}" title="click to hear from here" onclick="{html.escape(_SEEK)}">'
        '<div class="rl-playhead"></div></div></div>'
        f'<audio class="rl-audio" controls preload="auto" onplay="{html.escape(_FOLLOW)}"'
        f' onseeked="{html.escape(_SHOW)}" src="data:{media};base64,{base64.b64encode(raw).decode()}"></audio>'
        f"{hint(sound.caption)}</div>"
    )
