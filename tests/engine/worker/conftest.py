"""Workers that are forked from a process in which pytest and asv's runner are imported already."""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Self

import pytest

from mlpperf.engine.pool.process import START, DependentError, WorkerError
from mlpperf.engine.worker.protocol import Message, Refusal, Task
from mlpperf.engine.worker.watching import COMPILERS
from mlpperf.engine.worker.wire import from_json, to_json
from mlpperf.errors import MlpperfError

# Each line of input names a folder with a task; its worker leaves answers and errors there.
SERVER = (
    START.replace(
        "main()\n",
        """
import gc, json, os, signal
from _pytest.config import get_config
from mlpperf_worker import asv_suite, loading, main as commands, pytest_suite
# What loading leaves in other modules has tests of its own, and takes longer than all the rest.
loading.registered_with, commands.shared_state = (lambda own: ""), dict
if not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
    get_config().pluginmanager.load_setuptools_entrypoints("pytest11")
""",
    )
    + """
gc.freeze()
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        os.setsid()
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["current"])
        for number, name in enumerate(("task", "answers", "errors")):
            file = os.open(os.path.join(order["folder"], name), os.O_RDWR | os.O_CREAT)
            os.dup2(file, number)
        sys.stdin = open(0)
        main()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    try:
        os.killpg(child, signal.SIGKILL)
    except OSError:
        pass
    print(status, flush=True)
"""
)
PATIENCE = 300.0  # seconds for a task


class _Server:
    """The process that forks, with or without the plugins of pytest that are installed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )

    def run(self, folder: Path) -> int:
        """Have the task in a folder done, and give the status of the worker."""
        assert self.process.stdin
        assert self.process.stdout
        order = {"folder": str(folder), "environment": dict(os.environ), "current": str(Path.cwd())}
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            self.process.kill()
            raise TimeoutError("a forked worker takes too long")
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def servers() -> Iterator[Callable[[str], _Server]]:
    """The server for each value of the variable that turns plugins off."""
    made: list[_Server] = []

    @cache
    def server(without_plugins: str) -> _Server:
        variables = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": without_plugins}
        made.append(_Server(variables))
        return made[-1]

    yield server
    for one in made:
        one.process.kill()
        one.process.communicate()


@pytest.fixture
def forked(
    servers: Callable[[str], _Server], tmp_path_factory: pytest.TempPathFactory
) -> type[Iterator[Message]]:
    """In place of `TaskWorker`: the same answers, all of them at once, without a new Python."""

    class Forked(Iterator[Message]):
        def __init__(self, task: Task, *_: object, **__: Any) -> None:
            folder = tmp_path_factory.mktemp("task")
            (folder / "task").write_text(json.dumps(to_json(task)) + "\n")
            server = servers(os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD", ""))
            self._status = server.run(folder)
            self._errors = (folder / "errors").read_text(errors="replace")
            lines = map(json.loads, filter(None, (folder / "answers").read_bytes().split(b"\n")))
            self._answers = iter([one for one in lines if "message" in one])

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def __next__(self) -> Message:
            if self._status:
                raise WorkerError(f"A process ended early with {self._status}: {self._errors}")
            message: Message = from_json(next(self._answers))
            if isinstance(message, Refusal):
                raise (DependentError if message.of_copies else MlpperfError)(message.why)
            return message

    return Forked


@pytest.fixture
def like_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the compilers and threads that other tests of this process have left."""
    for name in COMPILERS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    others = threading.active_count() - 1
    active_count = threading.active_count
    monkeypatch.setattr(threading, "active_count", lambda: active_count() - others)
