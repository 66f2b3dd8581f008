"""What to do instead of a command or an option that is gone."""

from __future__ import annotations

from ..errors import MlpperfError

AGAIN = "the same settings and --seed train the same network again"
COMMANDS = {
    "devices": "mlpperf doctor shows the processors and threads, nvidia-smi the GPUs, and every "
    "record what was in force",
    "sweep": "start mlpperf ladder with each --batch-size and --threads; the report shows all",
}
# By the command and the option.
INSTEAD = {
    ("backfill", "--scheduler"): "start backfill on each machine, with a range of its own, and "
    "exchange the records by mlpperf records",
    ("calibrate", "--against"): "python benchmarks/trackers.py in mlpperf's repository does so",
    ("clusters", "--sample"): "the silhouette is averaged over 2,000 images",
    ("clusters", "--scaler"): "images are scaled to length 1",
    ("compare", "--full"): "use --all",
    ("compare", "--same"): "use --all",
    ("ladder", "--no-memory"): "memory is measured while each rung trains, so leave it out",
    ("race", "--prove"): "a race proves every variant anew, so leave it out",
    ("train", "--resume"): AGAIN,
    ("train", "--save"): AGAIN,
    ("train", "--weights"): AGAIN,
}


def gone(error: Exception) -> MlpperfError | None:
    """The sentence about an option that `error` does not know, if there is something to do."""
    context = getattr(error, "ctx", None)
    command = context.command.name if context else ""
    option = getattr(error, "option_name", "")
    if instead := INSTEAD.get((command, option)):
        return MlpperfError(f"{option} of {command} is gone: {instead}.")
    return None


def refuse_command(name: str) -> None:
    """Raise `MlpperfError` for a command that is gone."""
    if instead := COMMANDS.get(name):
        raise MlpperfError(f"{name} is gone: {instead}.")
