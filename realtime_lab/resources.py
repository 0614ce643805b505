"""The only finder of shipped data: speech, script sets and small tables.

In a source tree the data is `data/`, beside the package; in an installed wheel it travels inside the package as
`_data/`. Nothing else in the package looks for either.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from realtime_lab.errors import RealtimeLabError

_PACKAGE = Path(__file__).resolve().parent


def data_dir(package: Path = _PACKAGE) -> Path:
    """The folder of shipped data for the package installed at `package`.

    Args:
        package: Folder of the package; the default is this very one.

    Raises:
        RealtimeLabError: If neither the wheel's `_data/` nor the source tree's `data/` is there.
    """
    inside, beside = package / "_data", package.parent / "data"
    if inside.is_dir():
        return inside
    # A folder named `data` among installed packages is not ours: ours holds speech.
    if (beside / "speech").is_dir():
        return beside
    raise RealtimeLabError(
        f"the shipped data is missing: neither {inside} nor {beside} is there; install realtime_lab from its wheel "
        "or run it from a complete source tree"
    )


def data_path(name: str) -> Path:
    """A file or folder of the shipped data, such as `data_path("scripts/orders")`.

    Args:
        name: Path under the data folder, with forward slashes.

    Raises:
        RealtimeLabError: If there is no such thing, or `name` leads out of the data folder.
    """
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise RealtimeLabError(f"data_path({name!r}): give a path under the data folder")
    path = data_dir() / relative
    if not path.exists():
        raise RealtimeLabError(f"there is no shipped data named {name!r}")
    return path
