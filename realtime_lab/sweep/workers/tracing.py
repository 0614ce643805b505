"""What a vendor's own log of live sessions is filed under: only where the configuration asks for tracing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime_lab.config import SessionConfig
from realtime_lab.config.part import plain

__all__ = ["WORKFLOW_NAME", "traced_config"]

WORKFLOW_NAME = "realtime_lab"
"""What live trials are called there, where the configuration gives no name."""


def traced_config(config: SessionConfig, study: str, trial: str, setting: Mapping[str, Any]) -> SessionConfig:
    """A live trial's configuration, with tracing that names the study, the trial and its setting.

    Tracing that is unset or null stays so: nothing is traced that nobody asked for. What the configuration itself says
    (a workflow_name, a group_id, keys of metadata) stays as well; "auto" says nothing.

    Args:
        config: What the plan asks for.
        study: Hash of the plan, which becomes the group_id.
        trial: The trial's key.
        setting: Its swept values.
    """
    asked = plain(config.get("tracing"))
    if asked is None:
        return config
    given: dict[str, Any] = asked if isinstance(asked, dict) else {}
    metadata = {"trial": trial, "setting": plain(dict(setting)), **(given.get("metadata") or {})}
    filed = {"workflow_name": WORKFLOW_NAME, "group_id": study, **given, "metadata": metadata}
    return config.with_values({"tracing": filed})
