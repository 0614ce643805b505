"""The command line: `realtime-lab demo` and `realtime-lab sweep`. It parses, calls the package and prints; no logic.

A mistake of the user ends in one plain message and exit code 2; Ctrl-C in one line that says how to go on, and 130.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from realtime_lab.errors import RealtimeLabError

if TYPE_CHECKING:
    import pandas as pd

    from realtime_lab.sweep import Study, SweepPlan

__all__ = ["app", "demo_plan", "main"]

app = typer.Typer(
    help="Sweep turn-detection and token settings of Realtime voice sessions over real speech.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, secrets among them
    add_completion=False,
)

Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes.", show_default="one per core")]


def demo_plan(seed: int) -> SweepPlan:
    """The plan of `realtime-lab demo`: 24 turn-detection settings x 2 token settings, clean and in babble at 3 dB."""
    from realtime_lab.audio import babble, clean, load_scripts
    from realtime_lab.config import ServerVad, SessionConfig, Transcription
    from realtime_lab.sweep import SweepPlan

    base = SessionConfig(
        model="gpt-realtime",
        turn_detection=ServerVad(),
        transcription=Transcription(model="gpt-4o-transcribe"),
        logprobs=True,
    )
    space = {
        "silence_duration_ms": [200, 300, 400, 500, 700, 1000],
        "threshold": [0.3, 0.4, 0.5, 0.7],
        "max_output_tokens": [64, "inf"],
    }
    return SweepPlan(base, space, load_scripts("orders"), conditions=(clean(), babble(snr_db=3)), seed=seed)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the study, the table and the plot.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the plan: the same seed gives the same numbers.")] = 7,
    workers: Workers = None,
) -> None:
    """Sweep 24 turn-detection x 2 token settings over the shipped speech, offline, against a server that listens."""
    with _plain_ends():
        started = time.monotonic()
        out.mkdir(parents=True, exist_ok=True)
        plan = demo_plan(seed)
        study = _sweep(plan, out / "study.sqlite", workers)
        summary = study.summary()
        summary.to_csv(out / "summary.csv", index=False)
        _print_tables(summary)
        _save_tradeoff(study, out / "tradeoff.png")
        typer.echo(f"\n{len(plan.trials)} sessions and their plot in {time.monotonic() - started:.0f} s. Written:")
        for name in ("study.sqlite", "summary.csv", "tradeoff.png"):
            typer.echo(f"  {out / name}")


@app.command()
def sweep(
    plan: Annotated[Path, typer.Argument(help="The plan, a TOML file.")],
    store: Annotated[Path, typer.Option(help="The study file: made when it is not there, resumed when it is.")],
    workers: Workers = None,
) -> None:
    """Run the plan in PLAN into the study at STORE; the same command goes on where an interrupted one stopped."""
    with _plain_ends():
        from realtime_lab.sweep import SweepPlan

        study = _sweep(SweepPlan.load(plan), store, workers)
        _print_tables(study.summary())
        typer.echo(f"\nWritten:\n  {store}")


def main() -> None:
    """Entry point of the `realtime-lab` command."""
    app(prog_name="realtime-lab")


def _sweep(plan: SweepPlan, store: Path, workers: int | None) -> Study:
    from realtime_lab.sweep import run_sweep

    return run_sweep(plan, store=store, workers=workers)


def _save_tradeoff(study: Study, path: Path) -> None:
    from realtime_lab import plots

    axes = plots.tradeoff(study)
    axes.figure.savefig(path, dpi=150)


def _print_tables(summary: pd.DataFrame) -> None:
    typer.echo(summary.to_string(index=False))


@contextmanager
def _plain_ends() -> Iterator[None]:
    """Turn mistakes and interrupts into one message and an exit code; anything else is a fault of ours and shows."""
    try:
        yield
    except RealtimeLabError as error:
        typer.echo(f"realtime-lab: {error}", err=True)
        raise typer.Exit(2) from None
    except (FileNotFoundError, NotADirectoryError, FileExistsError, PermissionError) as error:
        typer.echo(f"realtime-lab: {error.filename}: {error.strerror}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("\nrealtime-lab: interrupted; the same command goes on from here.", err=True)
        raise typer.Exit(130) from None


if __name__ == "__main__":
    main()
