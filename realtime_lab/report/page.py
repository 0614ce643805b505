"""The page of a report: everything it says is gathered here and laid out by one template, which escapes all of it.

`report` writes it to a file.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
from markupsafe import Markup

from realtime_lab.analysis.deciding.compare import Comparison
from realtime_lab.analysis.deciding.limits import parse_where, usual_limits
from realtime_lab.analysis.summary.source import plain_row, without_oracle
from realtime_lab.analysis.summary.wording import plural, setting_words
from realtime_lab.errors import RealtimeLabError
from realtime_lab.plots.ecdf import draw_ecdf, ecdf_info
from realtime_lab.plots.heatmap import draw_heatmap, heatmap_info
from realtime_lab.plots.style import new_axes
from realtime_lab.plots.timeline import draw_timeline, timeline_info
from realtime_lab.plots.tradeoff import draw_tradeoff, tradeoff_info
from realtime_lab.plots.transcript import TranscriptView, transcript_info
from realtime_lab.report import method
from realtime_lab.report.findings import findings
from realtime_lab.report.pictures import Picture, colour_variables, picture, wait_picture
from realtime_lab.report.recommendation import Recommendation, old_setting, recommend, wait_in
from realtime_lab.report.sounds import MAX_ANSWER_MS, Example, Sound, SoundRoom, find_example
from realtime_lab.report.table import SettingTable, setting_table
from realtime_lab.session import calibrated_against
from realtime_lab.sweep.studies.chosen import Swept, best_setting, candidates, compare_settings, worst_of

if TYPE_CHECKING:
    import pandas as pd

    from realtime_lab.sweep import Study

WORST_TURNS = 6
FEW_SETTINGS = 12
"""Up to so many, figures that tell settings one by one hold all of them."""
_HERE = Path(__file__).parent


class Question(NamedTuple):
    """What the report is to answer."""

    minimize: str | None = None
    """Column of the summary that should be low; None: the median wait."""
    where: str | None = None
    """Limits; None: cut-offs and broken-off answers of at most 5 %, as far as the study can tell."""
    condition: str | None = None
    """None: the plan's first."""
    old: Any = None
    """The setting to compare with; None: see `old_setting`."""
    seed: int = 0


class Heard(NamedTuple):
    """One side of the example."""

    name: str
    words: str
    sound: Sound | None
    silent: str


@dataclass(eq=False)
class Page:
    """Everything the report says about one study.

    Args:
        study: The study.
        question: What it is to answer.
        private: Let private scripts be heard and read.
    """

    study: Study
    question: Question
    private: bool

    def __post_init__(self) -> None:
        self.plan = self.study.plan
        self.turns, self.trials = without_oracle(self.study.turns_df()), self.study.trials_df()
        if self.turns.empty:
            raise RealtimeLabError("there is nothing to report: no session of this study is complete")
        self.room = SoundRoom(self.study, self.private)
        self.mocked = bool(self.turns["target"].astype("string").str.match("(replay:)?mocked").any())
        self.calibrated = calibrated_against(self.turns["target"].dropna().astype(str).unique())
        self.swept = candidates(self.study)
        asked = self.question
        self.wait = wait_in(self.turns)
        self.where = " and ".join(self._usual()) if asked.where is None else asked.where
        self.best = best_setting(self.study, asked.minimize or self.wait.name, self.where, asked.condition, asked.seed)
        old = old_setting(self.plan) if asked.old is None else dict(self.plan.only(asked.old).settings[0])
        # A part of a plan need not hold the setting that callers have today: then the first one stands for it.
        self.old = next((one for one in self.swept if one.setting == old), self.swept[0])
        self.new = next((one for one in self.swept if one.setting == self.best.closest), self.old)
        if self.best.outcome == "n too small" and self.row(self.old, self.best.condition):
            self.new = self.old
        self.comparison = self._compared()

    def _usual(self) -> list[str]:
        return usual_limits(self._plain_rows())

    def _plain_rows(self) -> list[dict[str, Any]]:
        return [plain_row(row) for row in self.summary.to_dict("records")]

    def _compared(self) -> Comparison | None:
        """New against old. Where the old setting has no turns to compare, it is left out."""
        if self.new.setting == self.old.setting:
            return None
        others = max(1, len(self.swept) - 1)
        try:
            found = compare_settings(self.study, self.old.setting, self.new.setting, others, self.question.seed)
        except RealtimeLabError:
            found = None
        if found is None or found.row(self.best.condition, "cutoff_rate") is None:
            self.old = self.new
            return None
        return found

    @cached_property
    def summary_rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Rows of the summary by (setting in words, condition)."""
        names = list(self.swept[0].cells)
        found = {}
        for row in self._plain_rows():
            found[setting_words({name: row[name] for name in names}), str(row["condition"])] = row
        return found

    @cached_property
    def summary(self) -> Any:
        """The study's summary."""
        return self.study.summary()

    def row(self, one: Swept, condition: str) -> Mapping[str, Any]:
        """The summary of one setting in one condition; empty when it has no turns there."""
        return self.summary_rows.get((setting_words(one.cells), condition), {})

    def recommendation(self) -> Recommendation:
        """What to do."""
        conditions = dict.fromkeys((self.best.condition, *(condition for _, condition in self.summary_rows)))
        rows = {name: (self.row(self.old, name), self.row(self.new, name)) for name in conditions}
        heard = method.evidence(self.plan, self.turns)
        limits = parse_where(self.where, list(self.summary.columns))
        return recommend(
            self.best, self.old, self.new, self.comparison, rows, limits, self.wait, heard, self.mocked, self.calibrated
        )

    def table(self) -> SettingTable:
        """Every setting."""
        return setting_table(self.swept, self.summary_rows, self.best, self.old, self.new, self.wait.latency)

    @cached_property
    def found(self) -> Example | None:
        """The turn to hear and to see."""
        return find_example(self.room, self.turns, self.old, self.new, self.best.condition)

    def example(self) -> dict[str, Any] | None:
        """The turn to hear, at the old and at the new setting."""
        found = self.found
        if found is None:
            return None
        script = str(found.old["script"])
        same = self.old.setting == self.new.setting
        sides = [("Old", found.old, found.old_words), (self.new_name, found.new, found.new_words)][same:]
        heard = []
        for name, row, words in sides:
            sound = self.room.sound(str(row["trial"]), found.turn)
            heard.append(Heard(name, words, sound, self.room.silent))
        text = found.old.get("reference_text") if self.room.may_tell(script) else None
        where = f"{self.room.name(script)}, turn {found.turn}, {self.best.condition}"
        return {"sides": heard, "text": text if isinstance(text, str) else None, "where": where}

    @property
    def new_name(self) -> str:
        """What the new setting is called."""
        if self.old.setting == self.new.setting:
            return "Old"
        return "New" if self.best.setting is not None else "Closest"

    def tradeoff(self) -> Picture:
        """Cut-offs against waiting."""
        info = tradeoff_info(self.summary, latency=self.wait.latency)
        axes = draw_tradeoff(info, new_axes(9.6, 5.2))
        return picture(axes, "trade", "Cut-off rate against median response latency, per setting")

    def ecdf(self) -> Picture:
        """Waiting at both settings."""
        settings = {"old": self.old.cells, self.new_name.lower(): self.new.cells}
        info = ecdf_info(self.turns, latency=self.wait.latency, settings=settings, condition=self.best.condition)
        axes = draw_ecdf(info, new_axes(10.0, 4.2))
        caption = (
            f"Share of turns answered by then, in {self.best.condition}; cut turns are left out, unanswered ones never "
            "arrive. Dots and bars: median with its 95 % interval."
        )
        return picture(axes, "ecdf", "Share of turns answered within each latency, old and new", caption)

    def maps(self) -> Iterator[Picture]:
        """Two figures over the first two settings that vary, the others as in the new setting."""
        varying = [name for name in self.new.cells if self.turns[name].astype("string").nunique(dropna=False) > 1]
        if not varying:
            return
        marks = {"old": self.old.cells, self.new_name.lower(): self.new.cells}
        for number, value in enumerate(("cutoff_rate", self.wait.name)):
            info = heatmap_info(
                self.summary, value=value, condition=self.best.condition, at=dict(self.new.cells), marks=marks
            )
            size = (max(4.6, 1.0 + 0.92 * len(info.columns)), max(1.9, 1.1 + 0.56 * len(info.rows)))
            axes = draw_heatmap(info, new_axes(*size))
            yield picture(axes, f"map{number}", info.title)

    def timelines(self) -> Iterator[Picture]:
        """The example's turn, at both settings."""
        if self.found is None:
            return
        named = [("Old setting", self.found.old), (f"{self.new_name} setting", self.found.new)]
        sides = named[self.old.setting == self.new.setting :]
        drawn = []
        for name, row in sides:
            trial, script = str(row["trial"]), str(row["script"])
            try:
                info = timeline_info(
                    self.room.recording(trial), self.room.replay(trial), self.found.turn, MAX_ANSWER_MS
                )
            except RealtimeLabError:
                continue
            title = f"{self.room.name(script)}, turn {self.found.turn}, {self.best.condition}"
            drawn.append((name, info._replace(title=title)))
        # Both on one scale, so that they can be held against each other.
        starts = [(info.window.start_ms - info.origin_ms) / 1000 for _, info in drawn]
        ends = [(info.window.end_ms - info.origin_ms) / 1000 for _, info in drawn]
        for number, (name, info) in enumerate(drawn):
            axes = draw_timeline(info, new_axes(10.0, 4.0))
            axes.set_xlim(min(starts), max(ends))
            yield picture(axes, f"time{number}", f"Timeline of one turn, {name.lower()}", title=name)

    @cached_property
    def near(self) -> pd.DataFrame:
        """Turns of few settings: of all, or of those that differ from the new one in one value at most."""
        if len(self.swept) <= FEW_SETTINGS:
            return self.turns
        new = self.new.setting
        close = [one for one in self.swept if sum(one.setting[name] != new[name] for name in new) <= 1]
        return self.turns[self.turns["trial"].isin([trial for one in close for trial in one.trials])]

    @cached_property
    def recognised(self) -> bool:
        """Whether anything was recognised: transcripts that are simulated say nothing."""
        engines = self.trials["transcription_engine"].dropna().astype(str)
        return not engines.str.contains("simulated").any()

    def transcript(self, trial: str, turn: int, script: str) -> Markup | None:
        """What was recognised in one turn above what was said; None where nobody may read it, or nothing was."""
        if not self.recognised or not self.room.may_tell(script):
            return None
        info = transcript_info(self.room.recording(trial), turn)
        return None if info.problem else Markup(TranscriptView(info)._repr_html_())

    def worst(self) -> Iterator[dict[str, Any]]:
        """The turns that go worst at the new setting."""
        found = worst_of(self.study, WORST_TURNS, self.new.setting)
        texts = dict(
            zip(zip(self.turns["trial"], self.turns["turn"], strict=True), self.turns["reference_text"], strict=True)
        )
        for row in found.to_dict("records"):
            trial, turn, script = str(row["trial"]), int(row["turn"]), str(row["script"])
            sound = self.room.sound(trial, turn)
            text = texts.get((trial, turn)) if self.room.may_tell(script) else None
            yield {
                "why": row["why"],
                "script": self.room.name(script),
                "turn": turn,
                "condition": row["condition"],
                "text": text if isinstance(text, str) else None,
                "transcript": self.transcript(trial, turn, script),
                "sound": sound,
                "silent": self.room.silent,
            }

    def subtitle(self) -> str:
        """What was run."""
        states = int((self.trials["state"] == "complete").sum())
        targets = ", ".join(map(str, self.trials["target"].dropna().unique()))
        return f"{plural(len(self.swept), 'setting')}, {plural(states, 'session')}, {targets}"

    def commands(self) -> str:
        """How to do it again."""
        name = shlex.quote(self.study.path.name)
        private = " --private" if self.private else ""
        return f"realtime-lab sweep plan.toml --store {name}\nrealtime-lab report {name}{private}"

    def context(self) -> dict[str, Any]:
        """Everything the template shows."""
        recommendation = self.recommendation()
        near = [dict(rival.setting) for rival in self.best.near]
        return {
            "title": f"{recommendation.headline}: {self.study.path.stem}",
            "subtitle": self.subtitle(),
            "recommendation": recommendation,
            "new_name": self.new_name,
            "mocked": self.mocked,
            "example": self.example(),
            "table": self.table(),
            "best": self.best,
            "near": _near_words([one.cells for one in self.swept if one.setting in near]),
            "findings": findings(
                *(self.study, self.best.condition, self.wait.name, self.new.cells, self.near, self.recognised),
                where=" and ".join(limit for limit in self._usual() if not limit.startswith("cutoff_rate")) or None,
            ),
            "tradeoff": self.tradeoff(),
            "ecdf": self.ecdf(),
            "parts": wait_picture(self.near, self.best.condition),
            "maps": list(self.maps()),
            "timelines": list(self.timelines()),
            "worst": list(self.worst()),
            "definitions": method.definitions(self.wait.meaning),
            "statistics": list(method.statistics(self.best, len(self.swept))),
            "limits": list(method.limits(self.plan, self.trials, self.turns, self.mocked, self.calibrated)),
            "environment": list(method.environment(self.plan, self.trials)),
            "commands": self.commands(),
            "plan_text": method.plan_text(self.plan),
            "code": self.new.config.to_code(),
        }


def report_html(study: Study, question: Question, private: bool) -> str:
    """The page as text.

    Raises:
        RealtimeLabError: If no session is complete.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = environment.get_template("page.css").render(colours=list(colour_variables()))
    page = environment.get_template("page.html").render(css=Markup(css), **Page(study, question, private).context())
    return _CONTROL.sub("�", page)


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def _near_words(settings: Sequence[Mapping[str, Any]]) -> str:
    shown = [setting_words(setting) for setting in settings[:4]]
    return "; ".join(shown) + (f"; and {len(settings) - 4} more" if len(settings) > 4 else "")


MAX_BYTES = 10_000_000
"""Of a report."""


def report(
    study: Study,
    path: str | Path = "report.html",
    *,
    private: bool = False,
    minimize: str | None = None,
    where: str | None = None,
    condition: str | None = None,
    old: Any = None,
) -> Path:
    """Write a study as one self-contained HTML file, to be read without this package and without a network.

    Args:
        study: The study.
        path: The file to write; an older one is replaced.
        private: Put the sound and the words of private scripts, such as your own calls, into the file.
        minimize: The column of the summary that should be low; None: the median wait for an answer.
        where: Limits on its columns, as in `Study.best`; None: cut-offs and answers broken off at the token limit of
            at most 5 %, as far as the study can tell.
        condition: The acoustic condition to choose in; None: the plan's first.
        old: The setting to compare with: swept values by name, or a configuration; None: the base's own, or the
            documented defaults, where they are in the grid, else the grid's first.

    Returns:
        The file. The same study gives the same bytes.

    Raises:
        RealtimeLabError: If no session is complete.
        ConfigError: If `minimize`, `where` or `condition` names something that is not there.
        PlanError: If `old` is not a setting of the grid.
    """
    text = report_html(study, Question(minimize, where, condition, old), private)
    data = text.encode("utf-8")
    if len(data) > MAX_BYTES:
        raise RealtimeLabError(
            f"the report would have {len(data):,} bytes, more than {MAX_BYTES:,}: report a part of the study, such as "
            "fewer axes"
        )
    target = Path(path)
    beside = target.with_name(f".{target.name}.part")
    beside.write_bytes(data)
    os.replace(beside, target)
    return target
