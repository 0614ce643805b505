"""The commands: `realtime-lab demo`, `sweep`, `report` and more. Each parses, calls the package and prints.

How they end is `ending`; the lines about a study are `printed`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from realtime_lab.cli.ending import Commands, plain_ends
from realtime_lab.cli.printed import LEGEND, bound_line, choice_lines, heard_lines, settings_table, tokens_line, trust
from realtime_lab.errors import RealtimeLabError
from realtime_lab.sweep.running.options import RunOptions, help_of

if TYPE_CHECKING:
    from realtime_lab.sweep import Study, SweepPlan

app = typer.Typer(
    cls=Commands,
    help="""Sweep turn-detection and token settings of Realtime voice sessions over real speech.

    Exit codes: 0 done or passed; 1 not passed, or nothing came of it; 2 not decided; 3 a mistake, or a file that cannot
    be read; 130 interrupted.""",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, secrets among them
    add_completion=False,
)

CALIBRATED = """\
Observed: the service. Predicted: mocked sessions with the fitted profile, the same settings, scripts and noise; they
were fitted to these very sessions, so on others they can be expected to do somewhat worse. Answers were asked for in
one short sentence: the lengths of others are not known."""

Workers = Annotated[int | None, typer.Option(min=1, help=help_of("workers"), show_default="one per core")]


def demo_plan(seed: int) -> SweepPlan:
    """The plan of `realtime-lab demo`: 24 turn-detection x 2 token settings, the oracle; clean, babble at 3 dB."""
    from realtime_lab.audio import babble, clean, load_scripts
    from realtime_lab.config import ServerVad, SessionConfig, Transcription
    from realtime_lab.sweep import SweepPlan

    base = SessionConfig(
        model="gpt-realtime-2.1",
        turn_detection=ServerVad(),
        transcription=Transcription(model="gpt-4o-transcribe"),
        logprobs=True,
    )
    space: dict[str, list[Any]] = {
        "silence_duration_ms": [200, 350, 500, 700, 1000, 1500],
        "threshold": [0.3, 0.4, 0.5, 0.7],
        "max_output_tokens": [64, "inf"],
    }
    conditions = (clean(), babble(snr_db=3))
    return SweepPlan(base, space, load_scripts("orders"), conditions, seed=seed, oracle=True)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the study, the table and the plot.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the plan: the same seed gives the same numbers.")] = 7,
    workers: Workers = None,
) -> None:
    """Sweep 24 turn-detection x 2 token settings over the shipped speech, offline, against a server that listens."""
    with plain_ends():
        started_s = time.monotonic()
        out.mkdir(parents=True, exist_ok=True)
        plan = demo_plan(seed)
        typer.echo(f"{plan.estimate()}: {len(plan.settings)} settings, mocked, offline")
        study = _sweep(plan, store=out / "study.sqlite", workers=workers)
        typer.echo("Summing up, and drawing the trade-off ...")
        summary = study.summary()
        summary.to_csv(out / "summary.csv", index=False)
        _save_tradeoff(study, out / "tradeoff.png")
        # Turns end alike whatever the token limit: one limit's rows say it all, both limits' would count turns twice.
        shown = summary[summary["max_output_tokens"] == math.inf]
        table = settings_table(shown, ["silence_duration_ms", "threshold"])
        typer.echo(f"\nOf settings with max_output_tokens inf, in {table}\n")
        typer.echo(f"{LEGEND}{trust(shown)}\n{heard_lines(study.trials_df())}\n")
        typer.echo(f"{bound_line(summary)}\n{tokens_line(study.summary(by='max_output_tokens'))}\n")
        typer.echo(f"{choice_lines(study)}\n")
        typer.echo("Writing the report ...")
        _write_report(study, out / "report.html")
        typer.echo(f"A study of {len(plan.trials)} sessions, after {time.monotonic() - started_s:.0f} s. Written:")
        for name in ("study.sqlite", "summary.csv", "tradeoff.png", "report.html"):
            typer.echo(f"  {out / name}")


def _write_report(study: Study, path: Path, **asked: Any) -> None:
    """One HTML file; imported when wanted, so that other commands start quickly."""
    from realtime_lab.report.page import report as write_report

    write_report(study, path, **asked)


@app.command()
def sweep(
    store: Annotated[Path, typer.Option(help=help_of("store"))],
    plan: Annotated[Path | None, typer.Argument(help="The plan, a TOML file.")] = None,
    like: Annotated[Path | None, typer.Option(help="A study whose plan to run instead, such as a colleague's.")] = None,
    audio: Annotated[list[Path] | None, typer.Option(help="With --like: folder to look for its audio in.")] = None,
    key_to: Annotated[list[str] | None, typer.Option(help=help_of("key_to"))] = None,
    workers: Workers = None,
    max_usd: Annotated[float | None, typer.Option(help=help_of("max_usd"))] = None,
    max_trials: Annotated[int | None, typer.Option(min=1, help=help_of("max_trials"))] = None,
    max_seconds: Annotated[float | None, typer.Option(help=help_of("max_seconds"))] = None,
    keep_recordings: Annotated[bool, typer.Option(help=help_of("keep_recordings"))] = True,
) -> None:
    """Run the plan in PLAN into the study at STORE; the same command goes on where an interrupted one stopped."""
    with plain_ends():
        from realtime_lab.report.method import otherwise_than_asked

        loaded = _plan_of(plan, like, audio or [])
        typer.echo(str(loaded.estimate()))
        study = _sweep(
            loaded,
            store=store,
            workers=workers,
            key_to=key_to or (),
            keep_recordings=keep_recordings,
            max_usd=max_usd,
            max_trials=max_trials,
            max_seconds=max_seconds,
        )
        summary = study.summary()
        typer.echo(f"\n{settings_table(summary, list(loaded.space))}\n\n{LEGEND}{trust(summary)}\n")
        typer.echo(choice_lines(study))
        for sentence in otherwise_than_asked(study.trials_df()):
            typer.echo(sentence)
        typer.echo(f"\nWritten:\n  {store}")


@app.command()
def report(
    study: Annotated[Path, typer.Argument(help="The study file.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("report.html"),
    where: Annotated[
        str | None, typer.Option(help="Limits a setting must keep, such as 'cutoff_rate <= 0.05'.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Put sound and words of private calls into it.")] = False,
) -> None:
    """Write the study at STUDY as one HTML file: what to do, how sure that is, table, plots, turns to hear."""
    with plain_ends():
        from realtime_lab.sweep import Study

        limits = {} if where is None else {"where": where}
        opened = Study.open(study)
        typer.echo("Writing the report ...")
        _write_report(opened, out, private=private, **limits)
        typer.echo(f"Written:\n  {out}")


@app.command()
def check(
    study: Annotated[Path, typer.Argument(help="The study file.")],
    require: Annotated[
        list[str] | None, typer.Option(help="Such as 'cutoff_rate<=0.05'; may be given several times.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="""Which rows of the summary are judged, such as 'condition == "clean"'.""")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="A study to compare with: nothing that is required may be worse now.")
    ] = None,
) -> None:
    """Judge the study at STUDY: exit code 0 pass, 1 fail, 2 not decided (an interval straddles its bound).

    Prints JSON; the same in words goes to standard error.
    """
    with plain_ends():
        from realtime_lab.sweep import Study

        old = None if baseline is None else Study.open(baseline)
        found = Study.open(study).check(require or (), where=where, baseline=old)
        typer.echo(found.to_json())
        typer.echo("\n".join([*(entry.sentence for entry in found.judged), found.sentence]), err=True)
    raise typer.Exit(found.exit_code)


@app.command()
def salvage(
    study: Annotated[Path, typer.Argument(help="The damaged study file; it is not touched.")],
    out: Annotated[Path, typer.Option(help="The new study file.")],
    plan: Annotated[Path | None, typer.Option(help="The plan it was made with, where the file has lost it.")] = None,
) -> None:
    """Copy every whole batch of the damaged study at STUDY into a new one, which the same sweep then finishes."""
    with plain_ends():
        from realtime_lab.sweep import SweepPlan
        from realtime_lab.sweep.store.salvage import salvage as rescue

        saved = rescue(study, out, None if plan is None else SweepPlan.load(plan))
        typer.echo(str(saved))
        if not saved.complete:
            raise typer.Exit(1)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 8765,
    profile: Annotated[
        str,
        typer.Option(help="Whose defaults and delays: documented, observed, openai, azure or a profile file."),
    ] = "documented",
    seed: Annotated[int, typer.Option(min=0, help="Decides what its sessions draw.")] = 0,
    key_env: Annotated[str | None, typer.Option(help="Environment variable with the only key to accept.")] = None,
    transcriber: Annotated[
        str | None,
        typer.Option(
            help="whisper, a folder of Whisper weights, or simulated: none.", show_default="what is installed"
        ),
    ] = None,
    end_of_turn: Annotated[
        str | None,
        typer.Option(
            help="What semantic_vad waits for: module:name of a callable, imported from here or from the environment.",
            show_default="the recogniser's punctuation",
        ),
    ] = None,
    conformance: Annotated[
        bool, typer.Option("--conformance", help="Print what it does of the protocol, with the test of each, and end.")
    ] = False,
) -> None:
    """Serve the mocked service on 127.0.0.1 for any Realtime client, until Ctrl-C.

    It speaks today's protocol alone: the beta's header and flat names are refused, as the service refuses them.
    """
    if conformance:
        from realtime_lab.server.serving.conformance import conformance_table

        typer.echo(conformance_table(), nl=False)
        return
    from realtime_lab.server.serving.command import serve_until_interrupted

    if end_of_turn is not None:  # a console script does not look for modules where it is called
        sys.path.insert(0, str(Path.cwd()))
    with plain_ends():
        serve_until_interrupted(port, profile, seed, key_env, transcriber, end_of_turn, typer.echo)


@app.command()
def calibrate(
    target: Annotated[str, typer.Option(help="Base address of the service, ending in /v1 as a rule.")],
    max_usd: Annotated[float | None, typer.Option(help="What may be spent, USD; a paid service needs it.")] = None,
    api_key_env: Annotated[str | None, typer.Option(help="Environment variable with the key.")] = None,
    model: Annotated[str, typer.Option(help="The model to ask for.")] = "gpt-realtime-2.1",
    minutes: Annotated[float, typer.Option(help="Audio to send in all, minutes.")] = 10.0,
    out: Annotated[Path, typer.Option(help="The profile file to write.")] = Path("calibrated.json"),
    recordings: Annotated[Path | None, typer.Option(help="Folder to keep the sessions' recordings in.")] = None,
    date: Annotated[str | None, typer.Option(help="Date the profile carries.", show_default="today")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides bootstrap samples and mocked draws.")] = 0,
) -> None:
    """Measure a live service by a fixed protocol, fit a profile to it, and show how well that predicts it."""
    from datetime import UTC, datetime

    with plain_ends():
        from realtime_lab.recording import save_recording
        from realtime_lab.session.targets import live
        from realtime_lab.sweep import calibrate as run_calibration

        place = live(target, api_key_env=None)
        if api_key_env is not None or place.paid:
            place = live(target, api_key_env=api_key_env or "OPENAI_API_KEY")
        on = date or datetime.now(UTC).date().isoformat()
        done = run_calibration(
            place, on=on, model=model, name=out.stem, minutes=minutes, max_usd=max_usd, seed=seed, say=typer.echo
        )
        done.fit.profile.save(out)
        if recordings is not None:
            recordings.mkdir(parents=True, exist_ok=True)
            for number, recording in enumerate(done.recordings):
                save_recording(recording, recordings / f"{number:03d}.jsonl.gz")
        typer.echo(f"\n{done.fit}\n\n{done.table()}\n\n{CALIBRATED}\n\nWritten:\n  {out}")


@app.command()
def agree(
    logs: Annotated[list[Path], typer.Argument(help="Event logs of sessions with a real service.")],
    audio: Annotated[
        Path | None, typer.Option(help="The clip that was spoken, for logs whose appends hold no audio.")
    ] = None,
    profile: Annotated[
        str, typer.Option(help="Whose server is mocked: openai, azure, documented, observed or a profile file.")
    ] = "openai",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Hold recordings of a real service against the mocked one: exit code 0 nothing differs, 1 something does.

    The client's side of each log is played to the mocked server on the same audio and configuration. The table has
    every setting, order of events, count, offset, token and field that differs or agrees, and what could not be
    compared.
    """
    with plain_ends():
        from realtime_lab.sweep import agree as hold

        found = hold(logs, audio=audio, profile=profile)
        typer.echo(found.to_json() if json else str(found))
    raise typer.Exit(found.exit_code)


@app.command()
def counterfactual(
    scripts: Annotated[str, typer.Option(help="A shipped set, or a folder of recordings.")] = "orders",
    noise_db: Annotated[float | None, typer.Option(help="Babble this far under the speech, dB.")] = 3.0,
    profile: Annotated[
        str, typer.Option(help="Whose server: documented, observed, openai, azure or a profile file.")
    ] = "documented",
    seed: Annotated[int, typer.Option(min=0, help="Decides the sessions' draws.")] = 0,
) -> None:
    """Predict other silences and thresholds from sessions at 500 ms and .5, hold those too, and print the errors."""
    with plain_ends():
        from realtime_lab.audio import babble, clean, load_scripts
        from realtime_lab.config import ServerVad, SessionConfig
        from realtime_lab.session import mocked
        from realtime_lab.sweep import prediction_errors

        conditions = [clean()] if noise_db is None else [clean(), babble(snr_db=noise_db)]
        base = SessionConfig(turn_detection=ServerVad(threshold=0.5, silence_duration_ms=500, prefix_padding_ms=300))
        space: dict[str, list[float]] = {
            "silence_duration_ms": [200, 350, 500, 700, 1000],
            "threshold": [0.3, 0.5, 0.7],
        }
        found = prediction_errors(base, space, load_scripts(scripts), conditions, target=mocked(profile), seed=seed)
        typer.echo("threshold  silence ms  turns  not predictable  same cuts  cut holds (predicted)  delay error ms")
        for entry in found:
            typer.echo(
                f"{entry.threshold:<9g}  {entry.silence_duration_ms:<10g}  {entry.turns:<5}  "
                f"{entry.not_predictable:<15}  {entry.same_cuts:<9}  "
                f"{f'{entry.cut_holds}/{entry.holds} ({entry.predicted_cut_holds})':<21}  "
                f"median {entry.median_ms:.0f}, largest {entry.largest_ms:.0f} over {entry.delays}"
            )


@app.command()
def doctor(
    sessions: Annotated[str, typer.Option(help="Sessions to hold side by side, as numbers with commas.")] = "1,10,20",
) -> None:
    """Measure how well this machine keeps and tells time: live sessions over loopback, against planted times."""
    with plain_ends():
        from realtime_lab.testing.doctor import Checkup, check_up

        words = [word.strip() for word in sessions.split(",")]
        if not all(word.isdecimal() and 1 <= int(word) <= 200 for word in words):
            raise RealtimeLabError(
                f"--sessions {sessions}: allowed: numbers from 1 to 200 with commas, such as 1,10,20"
            )
        typer.echo(Checkup.HEAD)
        for checkup in check_up([int(word) for word in words]):
            typer.echo(str(checkup))


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which benches to run.", show_default="all")] = None,
    json: Annotated[Path | None, typer.Option(help="File to write the figures to.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Measure on less, in seconds instead of minutes.")] = False,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Run nothing: hold two files of figures against each other.")
    ] = None,
) -> None:
    """Measure how fast this package is on this machine, against stated targets; exit code 1 if one is not met."""
    with plain_ends():
        from realtime_lab.bench import compare_results, load_results, run_benches, save_results

        if compare is not None:
            for line in compare_results(*map(load_results, compare)):
                typer.echo(line)
            return
        results = run_benches(names or [], quick, lambda figure: typer.echo(str(figure)))
        if json is not None:
            typer.echo(f"Written:\n  {save_results(results, json)}")
        if any(figure.met is False for figure in results.figures):
            raise typer.Exit(1)


def main() -> None:
    """Entry point of the `realtime-lab` command."""
    app(prog_name="realtime-lab")


def _sweep(plan: SweepPlan, **options: Unpack[RunOptions]) -> Study:
    """Run a plan, both stages where it has two; limits hold for the first, the second has its own."""
    from realtime_lab.sweep import run_sweep
    from realtime_lab.sweep.stages import confirming_options, confirming_plan

    study = run_sweep(plan, **options)
    if not study.states().get("complete"):
        typer.echo(f"realtime-lab: no trial is complete, so there is nothing to show of {study.path}", err=True)
        raise typer.Exit(1)
    if plan.confirm is None or set(study.states()) - {"complete", "excluded"}:
        return study
    second = confirming_plan(plan, study)
    typer.echo(f"\nconfirming {len(second.settings)} settings of the front on {plan.confirm.target.name}")
    return run_sweep(second, **confirming_options(plan.confirm, study.path, options))


def _plan_of(plan: Path | None, like: Path | None, audio: Sequence[Path]) -> SweepPlan:
    from realtime_lab.sweep import Study, SweepPlan

    if (plan is None) == (like is None):
        raise RealtimeLabError("name either a plan file or --like STUDY")
    if plan is not None:
        return SweepPlan.load(plan)
    assert like is not None
    return Study.open(like).plan_here(*audio)


def _save_tradeoff(study: Study, path: Path) -> None:
    from matplotlib.figure import Figure

    from realtime_lab import plots

    figure = plots.tradeoff(study).get_figure(root=True)
    assert isinstance(figure, Figure)
    figure.savefig(path, dpi=150)
