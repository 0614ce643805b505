"""Study: what a sweep left behind, as frames, summaries and recordings. Reading only.

Nothing is held open between two questions, so a study can be looked at while its sweep writes it, and a file from
anybody can be opened: it is checked, and runs no code. Here stands what can be asked; how the file is read is
`study_file`, and what is computed of its frames is `analysis` and `chosen`.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from realtime_lab.errors import StudyError
from realtime_lab.sweep.plans.trials import trials_words
from realtime_lab.sweep.studies.study_file import StudyFile

if TYPE_CHECKING:
    import pandas as pd

    from realtime_lab.analysis.cost import PriceTable
    from realtime_lab.analysis.deciding.check import Check
    from realtime_lab.analysis.deciding.compare import Comparison
    from realtime_lab.analysis.deciding.values import Best
    from realtime_lab.recording import Recording
    from realtime_lab.sweep.plans.plan import SweepPlan
    from realtime_lab.sweep.plans.trials import Trial
    from realtime_lab.sweep.studies.frames import StudyFrames


def study_html(name: str, states: Mapping[str, int]) -> str:
    """The HTML of a study: its name, and how many trials are in each state."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(state)}</th><td>{count:,}</td></tr>"
        for state, count in states.items()
    )
    return (
        f"<details open class='rl-study'><summary>Study {html.escape(name)}: {trials_words(sum(states.values()))}"
        f"</summary><table>{cells}</table></details>"
    )


def lack_html(error: StudyError) -> str:
    """The HTML of a study that cannot be read: why."""
    return f"<div class='rl-study'>{html.escape(str(error))}</div>"


class Study:
    """The results of a sweep, in one file.

    Args:
        path: The study file. `Study.open` also checks it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        """The study file."""
        self._file = StudyFile(self.path)

    @classmethod
    def open(cls, path: str | Path) -> Study:
        """Open a study file.

        Raises:
            StudyVersionError: If another schema version wrote it.
            StudyDamagedError: If its bytes are damaged.
            StudyError: If it is missing or not a study.
        """
        study = cls(path)
        study.states()
        return study

    @property
    def plan(self) -> SweepPlan:
        """The plan it was made with; clips of a user's own are where they were on the machine that ran it.

        Raises:
            StudyDamagedError: If it cannot be read.
        """
        return self._file.plan

    def plan_here(self, *folders: str | Path) -> SweepPlan:
        """The plan, its audio found on this machine: where it was, in the study itself, or by hash in `folders`.

        Its targets are what the file says: none gets a key until its address is named, as `run_sweep(..., key_to=)`.

        Args:
            *folders: Where to look for audio, with everything below.

        Raises:
            ScriptError: If audio is not to be found; the message names every file with its hash.
            StudyDamagedError: If the plan cannot be read.
        """
        return self._file.plan_here([Path(folder) for folder in folders])

    def states(self) -> dict[str, int]:
        """How many trials are planned, running, complete, failed, cancelled or excluded."""
        return self._file.states()

    def __len__(self) -> int:
        return sum(self.states().values())

    def trials_df(self, prices: PriceTable | None = None) -> pd.DataFrame:
        """One row per trial of the plan, run or not: state, error, what its session added up to, `effective.<path>`.

        The effective values are what the server said its configuration was, whether asked for or not; `differences`
        says where it is not what was asked. A mocked session costs nothing: its `usd` is what its usage would cost.

        Args:
            prices: What `usd` is computed with, such as `rl.load_prices(path)`; None: the shipped price table.
        """
        return self._file.frames(lambda frames: frames.trials(), prices, now=True)

    def turns_df(self) -> pd.DataFrame:
        """One row per reference turn of every complete trial, in plan order."""
        return self._file.frames(lambda frames: frames.rows("turns"))

    def responses_df(self, prices: PriceTable | None = None) -> pd.DataFrame:
        """One row per response of every complete trial, in plan order.

        Args:
            prices: What `usd` is computed with; None: the shipped price table.
        """
        return self._file.frames(lambda frames: frames.responses(), prices)

    def tokens_df(self) -> pd.DataFrame:
        """One row per transcription token that came with a log-probability, in plan order."""
        return self._file.frames(lambda frames: frames.rows("tokens"))

    def words_df(self) -> pd.DataFrame:
        """One row per word of every transcript, and per word of a reference that was not recognised, in plan order."""
        from realtime_lab.analysis.words.aligned import words_frame

        return words_frame(self.turns_df(), self.tokens_df())

    def calibration_df(
        self, by: str | Iterable[str] | None = None, *, confidence: str = "confidence", seed: int = 0
    ) -> pd.DataFrame:
        """Whether word confidences tell right words from wrong ones and are as high as they should be.

        Args:
            by: Columns to group by; None: every swept setting, the condition and the target.
            confidence: `confidence` (product over a word's tokens), `confidence_min` or `confidence_geometric`.
            seed: Decides the simulated null band.

        Raises:
            RealtimeLabError: If a column is missing.
        """
        from realtime_lab.analysis.words.confidence import calibration_df

        return calibration_df(self.words_df(), by, confidence=confidence, seed=seed)

    def events_df(self, trial: str | int | Trial) -> pd.DataFrame:
        """Every event of one trial's session, appends of audio included.

        Args:
            trial: A trial's key or the beginning of it, its number in the plan, or a Trial.

        Raises:
            StudyError: If there is no such trial, or it has no recording.
        """
        from realtime_lab.analysis.rows.frames import events_df
        from realtime_lab.sweep.studies.frames import with_keys

        number, keys = self._file.keys_of(trial)
        frame = events_df(self.recording(number))
        return self._file.sound(lambda: with_keys(frame, number, *keys))

    def summary(self, by: str | Iterable[str] | None = None, prices: PriceTable | None = None) -> pd.DataFrame:
        """Counts, rates with intervals and latency quantiles with intervals, one row per group.

        Args:
            by: Columns to group by; None: every swept setting, the condition and the target.
            prices: What `usd` is computed with; None: the shipped price table.

        Raises:
            RealtimeLabError: If a column is missing.
        """
        from realtime_lab.analysis.summary.settings import summary

        def three(frames: StudyFrames) -> tuple[pd.DataFrame, ...]:
            return frames.rows("turns"), frames.responses(), frames.trials(effective=False)

        turns, responses, trials = self._file.frames(three, prices, now=True)
        return summary(turns, responses, trials=trials, by=by)

    def best(
        self,
        minimize: str = "response_latency_ms_p50",
        where: str | None = "usual",
        *,
        condition: str | None = None,
        seed: int = 0,
    ) -> Best:
        """Which setting to take, how sure that is, and which others cannot be told apart from it.

        Args:
            minimize: The column of the summary that should be low.
            where: Limits on its columns: `name <= number`, joined by `and`; "usual": those of the report, at most 5 %
                each for cut-offs and for answers broken off by `max_output_tokens`; None: no limits.
            condition: The acoustic condition to choose in; None: the plan's first; "all": pooled.
            seed: Decides the resamples; the same seed gives the same answer.

        Raises:
            ConfigError: If `minimize`, `where` or `condition` names something that is not there.
            RealtimeLabError: If no trial is complete.
        """
        from realtime_lab.sweep.studies.chosen import best_setting

        return best_setting(self, minimize, where, condition, seed)

    def check(
        self, require: str | Iterable[str], *, where: str | None = None, baseline: Study | None = None, seed: int = 0
    ) -> Check:
        """Whether it keeps what is required: pass, fail, or inconclusive where an interval straddles the bound.

        Args:
            require: Such as `cutoff_rate <= 0.05`, or `response_latency_ms_p95 <= baseline + 50`; one or several.
            where: Which rows of the summary are judged, such as `condition == "clean"`; None: all.
            baseline: A study to compare with on the same turns: nothing that is required may be worse in this one.
            seed: Decides the resamples of that comparison.

        Raises:
            RequirementError: If a requirement cannot be read.
            ConfigError: If `where` cannot be read, or selects nothing.
            RealtimeLabError: If no trial is complete, or no turn is in both studies.
        """
        from realtime_lab.analysis.deciding.check import check_frames

        old = None if baseline is None else (baseline.turns_df(), baseline.responses_df())
        return check_frames((self.turns_df(), self.responses_df()), require, where=where, baseline=old, seed=seed)

    def worst(self, n: int = 10, setting: Any = None) -> pd.DataFrame:
        """The turns to look at first, with why: cut, missed, slowest.

        Args:
            n: How many at most.
            setting: The setting to keep to, as in `compare`; None: every setting.

        Raises:
            PlanError: If `setting` is not one setting of the grid.
        """
        from realtime_lab.sweep.studies.chosen import worst_of

        return worst_of(self, n, setting)

    def compare(self, first: Any, second: Any) -> Comparison:
        """Two settings on the same turns: differences (second minus first) with intervals.

        Args:
            first: Swept values by name, anything with a `.setting` (such as `best`), or a configuration of the grid.
            second: The same.

        Raises:
            PlanError: If one of them is not one setting of the grid.
            RealtimeLabError: If they have no turn in common.
        """
        from realtime_lab.sweep.studies.chosen import compare_settings

        return compare_settings(self, first, second)

    def recording(self, trial: str | int | Trial) -> Recording:
        """What happened in one trial's session.

        Args:
            trial: A trial's key or the beginning of it, its number in the plan, or a Trial.

        Raises:
            StudyError: If there is no such trial, or it has no recording.
        """
        return self._file.recording(trial)

    def recordings(self) -> Iterator[Recording]:
        """Every session there is a recording of, failed ones too, first repeats first: what `rl.replay` takes.

        Raises:
            StudyDamagedError: If one of them is damaged.
        """
        return self._file.recordings()

    def export(
        self,
        path: str | Path,
        kinds: Sequence[str] = ("trials", "turns", "responses", "tokens"),
        audio: bool = False,
    ) -> Path:
        """Write the study to give away, or its frames for other programs.

        Args:
            path: A name ending in .sqlite: one file with the whole study, without this machine's names, which
                `Study.open` and `realtime-lab sweep --like` take. Otherwise a folder for frames, made when it is not
                there.
            kinds: Which frames, into a folder.
            audio: Whether the study given away holds the user's own audio too.

        Returns:
            The file, or the folder, which then holds one CSV and one Parquet file per frame. Texts that a spreadsheet
            would take for formulas are preceded by an apostrophe in CSV.

        Raises:
            StudyError: If it cannot be written, or audio is missing or has changed.
        """
        from realtime_lab.sweep.store.sharing import share_study
        from realtime_lab.sweep.store.tables import write_frames

        if Path(path).suffix == ".sqlite":
            return share_study(self.path, Path(path), audio)

        frames = {"trials": self.trials_df, "turns": self.turns_df}
        frames |= {"responses": self.responses_df, "tokens": self.tokens_df, "words": self.words_df}
        unknown = [kind for kind in kinds if kind not in frames]
        if unknown:
            raise StudyError(f"there are no {unknown[0]!r} to export: allowed are {', '.join(frames)}", self.path)
        return write_frames({kind: frames[kind]() for kind in kinds}, Path(path))

    def close(self) -> None:
        """Nothing is held open; here so that a study can be used in a with statement."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        try:
            states = ", ".join(f"{count} {state}" for state, count in self.states().items())
        except StudyError as error:
            return f"<Study {str(self.path)!r}: {error}>"
        return f"<Study {str(self.path)!r}: {states}>"

    def _repr_html_(self) -> str:
        try:
            states = self.states()
        except StudyError as error:
            return lack_html(error)
        return study_html(self.path.name, states)
