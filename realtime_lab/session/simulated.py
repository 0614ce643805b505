"""Transcription without a recogniser: the script's own words, labelled simulated. Nothing here hears audio."""

from __future__ import annotations

from dataclasses import dataclass

from realtime_lab.audio.pcm import Interval
from realtime_lab.server.transcribing import Asked, Pending, Recognition
from realtime_lab.session.caller import Caller

__all__ = ["ReferenceTranscriber"]


@dataclass
class ReferenceTranscriber:
    """Stands in for a recogniser: gives back the script's own words, so it is never wrong. Labelled simulated.

    Args:
        caller: Knows which words were spoken when.
    """

    caller: Caller
    texts: tuple[str | None, ...]
    name: str = "simulated: words of the reference"

    def begin(self, start_ms: float, end_ms: float, asked: Asked) -> Pending:
        """The reference's words whose middle lies in the span; no transcript where a turn in it has no reference."""
        said: list[str] = []
        for index, speech in self.caller.placed_turns():
            if speech[0].start_ms < end_ms and speech[-1].end_ms > start_ms:
                text = self.texts[index]
                if text is None:
                    message = "The script has no reference text here, and no recogniser listens."
                    unknown = Recognition(self.name, None, code="transcription_unavailable", message=message)
                    return lambda: unknown
                said += _words_between(text.split(), speech, start_ms, end_ms)
        known = Recognition(self.name, " ".join(said))
        return lambda: known


def _words_between(words: list[str], speech: tuple[Interval, ...], start_ms: float, end_ms: float) -> list[str]:
    """The words whose middle lies in [start_ms, end_ms), each word taking an equal share of the speech."""
    share_ms = sum(part.length_ms for part in speech) / max(len(words), 1)
    chosen = []
    for position, word in enumerate(words):
        middle_ms = (position + 0.5) * share_ms
        for part in speech:
            if middle_ms <= part.length_ms:
                if start_ms <= part.start_ms + middle_ms < end_ms:
                    chosen.append(word)
                break
            middle_ms -= part.length_ms
    return chosen
