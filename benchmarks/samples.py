"""The output of commands that README and docs show.

    python benchmarks/samples.py [--records FOLDER] [--only NAME]

The commands run in a small project made for them (`demo.py`), and in a clone of this repository, in
which a needless copy is put into a variant of the sigmoid. Each output becomes a line of
`samples.jsonl`; `tools/readme.py` puts them into the pages. It takes about ten minutes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from demo import build
from mlpperf.engine.history.recording import Recording

DEMO = {
    "list": "mlpperf list",
    "first compare": "mlpperf compare v1.0",
    "verbose compare": "mlpperf compare v1.0 --verbose",
    "bisect": "mlpperf bisect '*test_parse*' --good v1.0",
    "backfill": "mlpperf backfill v1.0.. --budget 25",
    "history": "mlpperf history",
    "init": "mlpperf init",  # the last one, because it changes files
}
PREPARES = {"backfill"}  # needed by the next command; no page shows its output
HOT_PATHS = {
    "verify": "mlpperf verify sigmoid --case batch-500 --verbose",
    "race": "mlpperf race sigmoid --case batch-500",
    "compare": "mlpperf compare HEAD --series 'sigmoid/batch-500/*' --budget 30",
}
FILE = Path("src/mlpperf/paths/sigmoid.py")
BEFORE, CARELESS = "np.multiply(z, 0.5, out=out)", "np.multiply(z.copy(), 0.5, out=out)"
WIDTH = 90  # columns of the terminal; a page of the documentation shows as many


def printed(command: str, folder: Path, source: Path) -> str:
    """The output of a command in `folder`, by the mlpperf in `source`."""
    words = [sys.executable, "-m", *shlex.split(command)]
    environment = {
        **os.environ,
        "COLUMNS": str(WIDTH),
        "PYTHONPATH": str(source),
        "VIRTUAL_ENV": sys.prefix,
    }
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode > 1:
        raise SystemExit(f"{command} failed: {done.stderr}")
    kept = [line for line in done.stdout.splitlines() if not line.startswith("Records: ")]
    text = "\n".join(line.rstrip() for line in kept).strip()
    return text.replace(f"{folder}/", "").replace(str(folder), ".")


def outputs(temporary: Path) -> Iterator[tuple[str, str, Path, Path]]:
    """Name, command, folder and source of mlpperf of each sample, in the order to run them."""
    clone = temporary / "mlpperf"
    here = Path(__file__).parents[1]
    subprocess.run(["git", "clone", "--quiet", str(here), str(clone)], check=True)
    project = build(temporary)
    for name, command in DEMO.items():
        yield name, command, project, clone / "src"
    for name, command in HOT_PATHS.items():
        if name == "compare":
            text = (clone / FILE).read_text(encoding="utf-8")
            if BEFORE not in text:
                raise SystemExit(f"{FILE} has no {BEFORE!r} any more.")
            (clone / FILE).write_text(text.replace(BEFORE, CARELESS), encoding="utf-8")
        yield name, command, clone, clone / "src"


def main(
    arguments: Sequence[str] | None = None,
    outputs: Callable[[Path], Iterator[tuple[str, str, Path, Path]]] = outputs,
) -> None:
    """Run the commands of `outputs`, one after the other, and keep what they print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--records", type=Path, help="folder; .mlpperf by default")
    parser.add_argument("--only", action="append", help="name of a sample; repeatable")
    given = parser.parse_args(arguments)
    recording = Recording("sample", "samples", given.records)
    with tempfile.TemporaryDirectory(prefix="mlpperf-samples-") as temporary:
        for name, command, folder, source in outputs(Path(temporary)):
            if given.only is None or name in given.only:
                text = printed(command, folder, source)
                if name in PREPARES:
                    continue
                recording.add({"name": name, "command": command, "printed": text})
                print(f"$ {command}\n{text}\n", flush=True)
    print(recording.location)


if __name__ == "__main__":
    main()
