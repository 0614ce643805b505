"""Which keys a plan has sent where: asked before a plan that came in somebody else's study is run.

A study is data, yet its targets name environment variables and addresses: run as it stands, one could have any
variable of this machine sent anywhere. Nothing is read or sent here.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from realtime_lab.errors import RealtimeLabError
from realtime_lab.session import Live
from realtime_lab.sweep.plans.plan import SweepPlan


def check_keys(plan: SweepPlan, path: Path, allowed: Collection[str]) -> None:
    """Refuse a plan that has a key sent where nobody here said it may go.

    Args:
        plan: The plan.
        path: The study it came in.
        allowed: Addresses that may have a key, as the plan's targets write them.

    Raises:
        RealtimeLabError: If another address gets one; the message names it with the variable.
    """
    targets = [*plan.answering, *([] if plan.confirm is None else [plan.confirm.target])]
    for target in targets:
        if isinstance(target, Live) and target.api_key_env is not None and target.url not in allowed:
            raise RealtimeLabError(
                f"{path} would have the key in {target.api_key_env} sent to {target.url!r}: if it may be, "
                f"say --key-to and that address"
            )
