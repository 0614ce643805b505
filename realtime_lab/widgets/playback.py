"""A picture of a stretch of time with its sound under it: while it plays, a line moves over the picture.

The line follows the player in the browser alone, so that it is exact and asks nothing of the kernel; a click on the
picture plays from there. That takes three constant scripts, into which nothing is written; choosing a point of a plot
takes the one other that panels have. Where a front end runs no scripts, the sound plays and the line stands still.
"""

from __future__ import annotations

import base64
import html
from typing import NamedTuple

from realtime_lab.report import Listening
from realtime_lab.widgets.markup import hint

__all__ = ["Frame", "played_picture"]

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
