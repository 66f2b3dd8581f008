"""What commands print, for the README: a race, and a comparison after a careless change.

    python benchmarks/samples.py [--records FOLDER]

In a clone of this repository a needless copy is put into a variant of the sigmoid. What commands
print goes to `samples.jsonl`, a line for each.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mlpperf.engine.history.recording import Recording

FILE = Path("src/mlpperf/paths/sigmoid.py")
BEFORE, CARELESS = "np.multiply(z, 0.5, out=out)", "np.multiply(z.copy(), 0.5, out=out)"
COMMANDS = {
    "race": "mlpperf race sigmoid --case batch-500",
    "compare": "mlpperf compare HEAD --series 'sigmoid/batch-500/*' --budget 30",
}
WIDTH = 150  # columns of the terminal


def printed(command: str, folder: Path) -> str:
    """What a command prints there."""
    words = [sys.executable, "-m", *shlex.split(command)]
    environment = {
        **os.environ,
        "COLUMNS": str(WIDTH),
        "PYTHONPATH": str(folder / "src"),
        "VIRTUAL_ENV": sys.prefix,
    }
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode > 1:
        raise SystemExit(f"{command} failed: {done.stderr}")
    kept = [line for line in done.stdout.splitlines() if not line.startswith("Records: ")]
    return "\n".join(line.rstrip() for line in kept).strip()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the commands, one after the other, and keep what they print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    recording = Recording("sample", "samples", parser.parse_args(arguments).records)
    with tempfile.TemporaryDirectory(prefix="mlpperf-samples-") as temporary:
        clone = Path(temporary) / "mlpperf"
        here = Path(__file__).parents[1]
        subprocess.run(["git", "clone", "--quiet", str(here), str(clone)], check=True)
        for name, command in COMMANDS.items():
            if name == "compare":
                text = (clone / FILE).read_text(encoding="utf-8")
                if BEFORE not in text:
                    raise SystemExit(f"{FILE} has no {BEFORE!r} any more.")
                (clone / FILE).write_text(text.replace(BEFORE, CARELESS), encoding="utf-8")
            recording.add({"name": name, "command": command, "printed": printed(command, clone)})
            print(recording.written[-1]["printed"])
    print(recording.location)


if __name__ == "__main__":
    main()
