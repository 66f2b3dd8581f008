"""Everything of the articles but their hot paths: data, network, clusters, contests, pages."""

from pathlib import Path

# The entry of the articles' hot paths, also of versions of this repository that name none.
HOT_PATHS = ("mlpperf.paths:PATHS",)


def named() -> bool:
    """Whether the project in the current folder names the articles' hot paths.

    Without them it has nothing to do with the articles' pages, checks and commands.
    """
    from ..engine.suites.pyproject import entries
    from ..errors import MlpperfError

    try:
        named = entries(Path("pyproject.toml"))
    except MlpperfError:  # reported by whatever needs the file
        return False
    return any(entry.partition(":")[0] == "mlpperf.paths" for entry in named)
