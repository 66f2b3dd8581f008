"""Thread counts hold for the life of a process, so most of this happens in fresh ones."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from mlpperf import devices
from mlpperf.devices import (
    SETTING,
    THREAD_VARIABLES,
    Setting,
    available_threads,
    use,
)
from mlpperf.errors import MlpperfError

PATIENCE = 600  # seconds until a hanging process counts as hanging; nothing is meant to take long
several = pytest.mark.skipif(available_threads() < 2, reason="there is only one processor")


def fresh_process(code: str, **environment: str) -> object:
    """What `code` prints, as JSON; without the thread counts of this process."""
    inherited = {k: v for k, v in os.environ.items() if k not in THREAD_VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- settings ------------------------------------------------------------------------------------


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if this process had just begun, on a machine of eight processors; undone afterwards."""
    monkeypatch.setattr(devices, "available_threads", lambda: 8)
    monkeypatch.setattr(devices, "threads", lambda: 2)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    with patch.dict(os.environ):
        for name in (SETTING, "TF_XLA_FLAGS", "CUDA_VISIBLE_DEVICES", *THREAD_VARIABLES):
            os.environ.pop(name, None)
        yield


def refusal(call: Callable[[], object]) -> str:
    """The sentence in which `call` is refused, after which the environment is as before."""
    before = dict(os.environ)
    with pytest.raises(MlpperfError) as raised:
        call()
    assert dict(os.environ) == before
    return str(raised.value)


def test_what_is_not_asked_for_is_left_alone() -> None:
    assert Setting() == Setting("cpu", threads=None)
    assert not {*THREAD_VARIABLES, "TF_NUM_INTEROP_THREADS", "TF_XLA_FLAGS"} & {
        *Setting().environment()
    }
    assert Setting(threads=1).threads == 1


@pytest.mark.parametrize("threads", [0, -1, -100, available_threads() + 1, 10**9])
def test_impossible_thread_counts_are_refused_in_one_sentence(threads: int) -> None:
    with pytest.raises(MlpperfError) as raised:
        Setting(threads=threads)
    most = available_threads()
    expected = f"{threads} threads were asked for; this machine allows 1 to {most}."
    assert str(raised.value) == expected


@pytest.mark.parametrize("device", ["cpu", "gpu:0", "gpu:7", "gpu:15"])
def test_a_device_is_the_cpu_or_a_numbered_gpu(device: str) -> None:
    assert Setting(device).device == device


@pytest.mark.parametrize(
    "device",
    ["tpu", "gpu", "gpu:", "gpu:-1", "gpu:1000", "gpu:0,1", "GPU:0", "cpu:0", "cpu\n", " cpu", ""],
)
def test_an_unknown_device_is_refused_in_one_sentence(device: str) -> None:
    expected = f"There is no device {device!r}; write cpu, or gpu:0 for the first GPU."
    assert refusal(lambda: Setting(device)) == expected


def test_on_the_cpu_no_library_sees_a_gpu() -> None:
    variables = Setting().environment()
    assert (variables["CUDA_VISIBLE_DEVICES"], variables["JAX_PLATFORMS"]) == ("-1", "cpu")


def test_on_a_gpu_every_library_sees_that_one_only() -> None:
    variables = Setting("gpu:1").environment()
    assert (variables["CUDA_VISIBLE_DEVICES"], variables["JAX_PLATFORMS"]) == ("1", "cuda")


@pytest.mark.usefixtures("anew")
def test_threads_are_those_of_every_library_and_of_operations_at_a_time() -> None:
    variables = Setting(threads=3).environment()
    assert {variables[name] for name in THREAD_VARIABLES} == {"3"}
    assert variables["TF_NUM_INTEROP_THREADS"] == "3"


# --- from process to process ---------------------------------------------------------------------


@pytest.mark.usefixtures("anew")
def test_a_process_without_a_setting_has_the_default() -> None:
    assert Setting.current() == Setting()


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize("given", [{}, {"threads": 2}, {"device": "gpu:1"}])
def test_an_applied_setting_is_the_current_one(given: dict[str, Any]) -> None:
    Setting(**given).apply()
    assert Setting.current() == Setting(**given)


CHILD = "from mlpperf.devices import Setting; print(Setting.current())"
GRANDCHILD = (
    f"from mlpperf.devices import Setting; Setting.current().start(['-c', {CHILD!r}]).wait()"
)


def written(setting: Setting, code: str) -> tuple[str, str]:
    """What a process under a setting writes to standard output and error."""
    pipe: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with setting.start(["-c", code], **pipe) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return out, err


@pytest.mark.parametrize("code", [CHILD, GRANDCHILD], ids=["child", "grandchild"])
def test_a_setting_is_that_of_children_and_their_children(code: str) -> None:
    setting = Setting("gpu:1", threads=1)
    out, err = written(setting, code)
    assert str(setting) in out
    assert err == ""


def test_a_child_has_its_own_setting_and_leaves_that_of_its_parent_alone() -> None:
    before = dict(os.environ)
    out, _ = written(Setting(threads=1), CHILD)
    assert out.strip() == str(Setting(threads=1))
    assert dict(os.environ) == before


@pytest.mark.usefixtures("anew")
def test_what_is_not_given_stays_as_the_parent_set_it() -> None:
    parent = Setting("gpu:1", threads=2)
    parent.apply()
    use()
    assert Setting.current() == parent
    use(None, None)
    assert Setting.current() == parent


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize(
    "given",
    [
        {"device": "gpu:0"},
        {"device": "cpu"},
    ],
    ids=str,
)
def test_what_is_given_goes_before_what_the_parent_set(given: dict[str, Any]) -> None:
    parent = Setting("gpu:1", threads=2)
    parent.apply()
    use(**given)
    assert Setting.current() == replace(parent, **given)


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize("inherited", [True, False])
def test_what_is_numpys_refuses_a_gpu_in_one_sentence(inherited: bool) -> None:
    if inherited:
        Setting("gpu:1").apply()
    sentence = refusal(lambda: use(None if inherited else "gpu:1", numpy_only="The ladder"))
    assert sentence == "The ladder is NumPy's, which runs on the cpu, not gpu:1."


@pytest.mark.usefixtures("anew")
def test_what_is_numpys_runs_on_the_cpu() -> None:
    use(threads=2, numpy_only="The ladder")
    assert Setting.current() == Setting(threads=2)


@pytest.mark.usefixtures("anew")
def test_once_tensorflow_is_loaded_another_setting_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Setting("gpu:1").apply()
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    expected = "TensorFlow is loaded already; another setting needs a fresh process."
    assert refusal(Setting("gpu:0").apply) == expected
    assert refusal(lambda: use("cpu")) == expected


@pytest.mark.usefixtures("anew")
def test_once_tensorflow_is_loaded_its_own_setting_may_come_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Setting("gpu:1").apply()
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    Setting("gpu:1").apply()
    use("gpu:1")
    assert Setting.current() == Setting("gpu:1")


def test_processors_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda of: {3, 5, 7}, raising=False)
    assert available_threads() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_threads() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_threads() == 1


APPLY = """
import json, os
from mlpperf import devices
devices.Setting(threads={threads}).apply()
import numpy, threadpoolctl
counts = {{pool["num_threads"] for pool in threadpoolctl.threadpool_info()
          if pool["user_api"] == "blas"}}
variables = {{os.environ[name] for name in devices.THREAD_VARIABLES}}
print(json.dumps([sorted(counts), devices.threads(), sorted(variables)]))
"""


@pytest.mark.parametrize("environment", [{}, {"OMP_NUM_THREADS": "2"}], ids=["clean", "set"])
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=several)])
def test_applying_a_setting_limits_the_blas(threads: int, environment: dict[str, str]) -> None:
    counts, in_force, variables = fresh_process(APPLY.format(threads=threads), **environment)
    if not counts:
        pytest.skip("threadpoolctl does not know NumPy's BLAS")
    assert counts == [threads]
    assert in_force == threads
    assert variables == [str(threads)]


REFUSE = """
import json, os
import numpy, threadpoolctl  # which sets a variable of its own
from mlpperf import devices
before = dict(os.environ)
sentence = ""
try:
    devices.Setting(threads=1).apply()
except devices.MlpperfError as error:
    sentence = str(error)
print(json.dumps([sentence, devices.threads(), os.environ == before]))
"""


@several
def test_a_setting_that_comes_too_late_is_refused_in_one_sentence() -> None:
    sentence, in_force, _ = fresh_process(REFUSE, OPENBLAS_NUM_THREADS="2", OMP_NUM_THREADS="2")
    if in_force == 1:
        pytest.skip("NumPy's BLAS has one thread only")
    assert sentence == f"NumPy already runs on {in_force} threads; 1 need a fresh process."


@several
def test_a_refused_setting_does_not_reach_the_processes_started_later() -> None:
    sentence, _, unchanged = fresh_process(REFUSE, OPENBLAS_NUM_THREADS="2", OMP_NUM_THREADS="2")
    if not sentence:
        pytest.skip("NumPy's BLAS has one thread only")
    assert unchanged


@pytest.mark.usefixtures("anew")
def test_a_setting_that_is_in_force_already_may_come_late() -> None:
    Setting(threads=devices.threads()).apply()
    assert {os.environ[name] for name in THREAD_VARIABLES} == {"2"}


# --- TensorFlow ----------------------------------------------------------------------------------

# What `devices.tensorflow` needs of TensorFlow; it keeps a list of the calls.
STAND_IN = """
import logging, sys
from types import SimpleNamespace as Names
print("a line of a C library", file=sys.stderr)
calls = []
def record(what):
    return lambda *given: calls.append(" ".join([what, *map(str, given)]))
config = Names(
    list_physical_devices=lambda kind: {gpus},
    set_visible_devices=record("visible"),
    set_logical_device_configuration=record("limit"),
    LogicalDeviceConfiguration=lambda memory_limit: f"{{memory_limit}} MB",
    experimental=Names(
        set_memory_growth=record("growth"),
        enable_tensor_float_32_execution=record("tf32"),
    ),
)
test = Names(is_built_with_cuda=lambda: {cuda})
debugging = Names(set_log_device_placement=record("log"))
get_logger = logging.getLogger
"""

# Prints the calls of TensorFlow, or the sentence in which it is refused.
LOAD = """
import json
from mlpperf import devices
try:
    print(json.dumps([devices.tensorflow() for _ in range(3)][0].calls))
except devices.MlpperfError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    """What loading TensorFlow comes to in a fresh process, where it consists of the given text."""

    def run(text: str, setting: Setting | None = None) -> Any:
        (tmp_path / "tensorflow").mkdir()
        (tmp_path / "tensorflow" / "__init__.py").write_text(text, encoding="utf-8")
        environment = (setting or Setting()).environment()
        return fresh_process(LOAD, **environment, PYTHONPATH=str(tmp_path))

    return run


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "raise ModuleNotFoundError(\"No module named 'tensorflow'\", name='tensorflow')",
            "TensorFlow is not installed: pip install 'mlpperf[tensorflow]'.",
        ),
        (
            "raise ImportError('libcudart.so: no such file')",
            "TensorFlow does not load (libcudart.so: no such file).",
        ),
        (
            "import no_such_module_as_this",
            "TensorFlow does not load (No module named 'no_such_module_as_this').",
        ),
        (
            "import tensorflow.python",
            "TensorFlow does not load (No module named 'tensorflow.python').",
        ),
    ],
    ids=["missing", "a library is missing", "a module is missing", "half of it is missing"],
)
def test_a_tensorflow_that_is_missing_or_does_not_load_is_reported_in_one_sentence(
    text: str, sentence: str, load: Callable[..., Any]
) -> None:
    assert load(text) == sentence


@pytest.mark.parametrize(
    "text",
    [
        "raise OSError('libcudart.so: no such file')",  # of ctypes
        "raise TypeError('Descriptors cannot be created directly.')",  # of another protobuf
        "raise AttributeError('_ARRAY_API not found')",  # of another NumPy
        "(",
        "",  # an empty folder that an uninstallation left
    ],
    ids=["OSError", "TypeError", "AttributeError", "SyntaxError", "empty"],
)
def test_a_tensorflow_that_fails_in_another_way_is_reported_in_one_sentence_too(
    text: str, load: Callable[..., Any]
) -> None:
    assert load(text).startswith("TensorFlow does not load (")


def test_what_tensorflow_writes_as_it_loads_is_not_shown_and_what_it_writes_later_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorflow.py").write_text(STAND_IN.format(gpus=[], cuda=False), "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    later = f"{LOAD}\nimport sys; print('later', file=sys.stderr)"
    assert written(Setting(), later)[1] == "later\n"


@pytest.mark.parametrize(
    ("setting", "call"),
    [
        (Setting(), "visible [] GPU"),
        (Setting("gpu:0"), "growth first True"),
        (Setting(), "tf32 False"),
        (Setting("gpu:0"), "tf32 False"),
    ],
    ids=str,
)
def test_tensorflow_is_configured_once_where_no_variable_can_do_it(
    setting: Setting, call: str | None, load: Callable[..., Any]
) -> None:
    calls = load(STAND_IN.format(gpus=["first", "second"], cuda=True), setting)
    if call:
        assert calls.count(call) == 1
    else:
        assert {line.split()[0] for line in calls} == {"tf32", "log"}


@pytest.mark.parametrize(
    ("cuda", "sentence"),
    [
        (True, "There is no gpu:3: TensorFlow finds no such GPU."),
        (
            False,
            "There is no gpu:3: TensorFlow finds no such GPU, and this build of it knows none.",
        ),
    ],
)
def test_a_gpu_that_tensorflow_lacks_is_reported_in_one_sentence(
    cuda: bool, sentence: str, load: Callable[..., Any]
) -> None:
    assert load(STAND_IN.format(gpus=[], cuda=cuda), Setting("gpu:3")) == sentence


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="TensorFlow is not installed: pip install 'mlpperf[tensorflow]'",
)
@pytest.mark.filterwarnings("ignore")  # of TensorFlow's own imports
def test_the_real_tensorflow_lacks_a_gpu_too_where_there_is_none() -> None:
    tf = devices.tensorflow()
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    with pytest.raises(MlpperfError, match="There is no gpu:0: TensorFlow finds no such GPU"):
        devices._configure(tf, Setting("gpu:0"))


# --- what is loaded by whom ----------------------------------------------------------------------

LOADED = """
import importlib, json, sys
importlib.import_module({module!r})
heavy = ("numpy", "scipy", "sklearn", "tensorflow", "matplotlib", "plotly", "pandas")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


@pytest.mark.parametrize(
    "module",
    ["mlpperf", "mlpperf.cli.main", "mlpperf.cli.app", "mlpperf.devices", "mlpperf.errors"],
)
def test_nothing_heavy_is_loaded_before_the_threads_are_set(module: str) -> None:
    assert fresh_process(LOADED.format(module=module)) == []


@pytest.mark.parametrize(
    "module",
    ["mlpperf.engine.race.race", "mlpperf.engine.suites.catalogue", "mlpperf.engine.race.show"],
)
def test_tensorflow_and_plotting_are_loaded_by_their_users_only(module: str) -> None:
    loaded = fresh_process(LOADED.format(module=module))
    assert isinstance(loaded, list)
    assert not {"tensorflow", "matplotlib", "plotly", "pandas"} & set(loaded)


@pytest.mark.parametrize(
    ("does", "fact"),
    [("echo 8192", "8192"), ("echo No devices were found; exit 6", ""), ("exit 9", "")],
)
def test_what_is_known_of_a_gpu_is_what_its_own_tool_says(
    does: str, fact: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert devices.gpu_fact("gpu:0", "memory.total") == fact
