"""What a run of a sweep may be told, declared once.

`start_sweep`, `run_sweep`, `optimize` and `run_stages` take these options, show them in their signatures and describe
them in these words; the command line has its help from here. Only names are checked: what values may be, says `asked`.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypedDict, TypeVar, cast

from realtime_lab.errors import ArgumentError, Problem, nearest_hint

if TYPE_CHECKING:  # the command line reads the texts, and has to start quickly
    from concurrent.futures import Executor
    from pathlib import Path

    from realtime_lab.analysis.cost import PriceTable
    from realtime_lab.config import SessionConfig
    from realtime_lab.sweep.plans.trials import Setting
    from realtime_lab.sweep.workers.worker import RunTrial

Function = TypeVar("Function", bound=Callable[..., Any])


class RunOptions(TypedDict, total=False):
    """What a run may be told, beside its plan and target; what is not given has its value in `DEFAULTS`."""

    store: Annotated[
        str | Path | None,
        "The study file: made when it is not there, resumed when it is. None: `runs/<plan hash>.sqlite` under the "
        "current folder.",
    ]
    workers: Annotated[
        int | None,
        "Worker processes, one per core by default. 0: run in this process, which is slower and easier to debug.",
    ]
    executor: Annotated[
        Executor | None, "Where to run instead of own worker processes. Any `concurrent.futures.Executor`."
    ]
    progress: Annotated[bool, "Show how far the sweep is."]
    allow_unmodelled: Annotated[bool, "Run a mocked sweep although it varies a field that the mocked server ignores."]
    run: Annotated[
        RunTrial | None,
        "What runs one trial, instead of a session. A module-level function that worker processes can import.",
    ]
    max_usd: Annotated[
        float | None,
        "What may be spent, USD; a paid target needs it. Trials that would pass it are left out. What earlier runs of "
        "this study spent counts.",
    ]
    max_trials: Annotated[int | None, "Trials to run now; the rest stay planned, and the next call goes on from there."]
    max_seconds: Annotated[
        float | None,
        "How long to send trials out, s; how much audio, for a paid target of unknown price. Trials under way are "
        "finished; audio of earlier runs counts, and a paid target of unknown price needs this.",
    ]
    keep_recordings: Annotated[
        bool,
        "Keep the recordings of mocked sessions. Without them a study is a tenth of the size, and a session is held "
        "again when its recording is asked for. Live recordings and those of sessions that failed are always kept.",
    ]
    key_to: Annotated[
        str | Sequence[str],
        "Address that a key may be sent to, where a file (a plan, a study) named the target. Several in a list. "
        "`VARIABLE=ADDRESS` where the key is not in the service's usual variable.",
    ]
    prices: Annotated[PriceTable | None, "What costs are computed with. None: the shipped price table."]
    only: Annotated[
        Sequence[Setting | SessionConfig] | None,
        "Settings to run now, as `SweepPlan.only` takes them; the others stay planned. None: all.",
    ]


DEFAULTS: RunOptions = {
    "store": None,
    "workers": None,
    "executor": None,
    "progress": True,
    "allow_unmodelled": False,
    "run": None,
    "max_usd": None,
    "max_trials": None,
    "max_seconds": None,
    "keep_recordings": True,
    "key_to": (),
    "prices": None,
    "only": None,
}


class Option(NamedTuple):
    """One option as it is declared."""

    kind: str
    """Its type, as it is written."""
    text: str
    """What it means."""


def _declared() -> dict[str, Option]:
    found = {}
    for name, annotation in RunOptions.__annotations__.items():
        tree = ast.parse(annotation.__forward_arg__, mode="eval").body
        assert isinstance(tree, ast.Subscript) and isinstance(tree.slice, ast.Tuple)
        kind, text = tree.slice.elts
        found[name] = Option(ast.unparse(kind), ast.literal_eval(text))
    return found


OPTIONS: Mapping[str, Option] = _declared()
"""The options by name, as `RunOptions` declares them."""


def help_of(name: str) -> str:
    """The first sentence of what an option means: its help on the command line."""
    return OPTIONS[name].text.partition(". ")[0].rstrip(".") + "."


def completed(options: Mapping[str, Any], without: Sequence[str] = ()) -> RunOptions:
    """Options with the defaults of those that are not given.

    Args:
        options: What was given.
        without: Names that the caller decides itself, and takes from nobody.

    Raises:
        ArgumentError: If a name is not known, or not taken; each mistake names the nearest that is.
    """
    known = [name for name in DEFAULTS if name not in without]
    problems = [
        Problem(name, value, ", ".join(known), nearest_hint(name, known))
        for name, value in options.items()
        if name not in known
    ]
    if problems:
        raise ArgumentError(problems)
    return cast(RunOptions, {**DEFAULTS, **options})


def takes_run_options(without: Sequence[str] = ()) -> Callable[[Function], Function]:
    """Show the options in a function's signature and docstring, as if it had written them out."""

    def shown(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        taken = {name: option for name, option in OPTIONS.items() if name not in without}
        keyword, defaults = inspect.Parameter.KEYWORD_ONLY, dict(DEFAULTS)
        options = [
            inspect.Parameter(name, keyword, default=defaults[name], annotation=option.kind)
            for name, option in taken.items()
        ]
        function.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
        said = "\n".join(
            textwrap.fill(f"{name}: {option.text}", 112, initial_indent=" " * 8, subsequent_indent=" " * 12)
            for name, option in taken.items()
        )
        function.__doc__ = (function.__doc__ or "").replace(_OPTIONS, said)
        return function

    return shown


_OPTIONS = "        **options: See `RunOptions`."
"""The line of a docstring in whose place the options stand."""
