"""The strict judge of server events: the openai package's own union, as its agents framework uses it.

    python strict_events.py FRAMES     one JSON frame on each line; prints what was found as JSON

Runs in an environment with the openai package; the clients beside it import it there.
"""

import json
import sys
from typing import Annotated

from openai.types.realtime import RealtimeServerEvent
from pydantic import Field, TypeAdapter, ValidationError

EVENT = TypeAdapter(Annotated[RealtimeServerEvent, Field(discriminator="type")])


def problem_in(frame):
    """What the union has against a frame; None when nothing."""
    try:
        EVENT.validate_json(frame)
    except ValidationError as error:
        return str(error)[:500]
    return None


def main(path):
    with open(path, "rb") as file:
        frames = file.read().split(b"\n")
    types = [json.loads(frame).get("type") for frame in frames]
    found = [[kind, problem] for kind, problem in zip(types, map(problem_in, frames), strict=True) if problem]
    print(json.dumps({"checked": len(frames), "types": sorted(set(types)), "problems": found}))


if __name__ == "__main__":
    main(sys.argv[1])
