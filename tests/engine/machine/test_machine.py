"""What the machine is, and who else is running on it."""

import json
from collections import namedtuple
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpperf.devices import available_threads
from mlpperf.engine.machine import machine
from mlpperf.engine.machine.machine import BUSY, Bystanders, clock_resolution, describe


def test_description_is_plausible() -> None:
    found = describe()
    assert found.cores == available_threads() >= 1
    assert found.memory == psutil.virtual_memory().total > 1 << 27
    assert found.numpy == np.__version__
    assert all(part.isdigit() for part in found.python.split(".")[:2])
    texts = (found.processor, found.system, found.blas, found.simd)
    assert all(text and text == text.strip() for text in texts)
    assert describe() is found


def test_description_survives_json() -> None:
    fields = asdict(describe())
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields


def test_description_does_without_what_numpy_does_not_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(np, "show_config", lambda mode: {})
    found = describe.__wrapped__()
    assert (found.blas, found.simd) == ("unknown", "baseline")


def test_clock_has_a_resolution() -> None:
    assert 0 < clock_resolution() < 1
    assert clock_resolution() == clock_resolution()


# --- who else is running -------------------------------------------------------------------------

LINUX = (
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "irq",
    "softirq",
    "steal",
    "guest",
    "guest_nice",
)


class Readings:
    """psutil's readings, as a test sets them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fields: tuple[str, ...] = LINUX) -> None:
        self.kind = namedtuple("scputimes", fields)
        self.cpu = dict.fromkeys(fields, 1000.0)
        self.own = SimpleNamespace(user=10.0, system=5.0)
        process = SimpleNamespace(cpu_times=lambda: self.own)
        monkeypatch.setattr(machine.psutil, "cpu_times", lambda: self.kind(**self.cpu))
        monkeypatch.setattr(machine.psutil, "Process", lambda: process)

    def pass_time(self, own: float = 0.0, **elapsed: float) -> None:
        for field, seconds in elapsed.items():
            self.cpu[field] += seconds
        self.own = SimpleNamespace(user=self.own.user + own / 2, system=self.own.system + own / 2)


def test_share_of_the_others_in_truth() -> None:
    assert 0 <= Bystanders().share() <= 1


def test_an_idle_machine_has_no_bystanders(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch)
    bystanders = Bystanders()
    assert bystanders.share() == 0.0  # no time has passed
    readings.pass_time(idle=6.0, iowait=2.0)
    assert bystanders.share() == 0.0


def test_own_work_is_no_bystander(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch)
    bystanders = Bystanders()
    readings.pass_time(own=8.0, user=6.0, system=2.0, idle=2.0)
    assert bystanders.share() == pytest.approx(0.0)
    # The two clocks of the operating system do not tick together.
    readings.pass_time(own=0.01)
    assert bystanders.share() == 0.0


def test_others_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch)
    bystanders = Bystanders()
    readings.pass_time(own=4.0, user=6.0, system=1.0, idle=3.0)
    assert bystanders.share() == pytest.approx(0.3)
    assert bystanders.share() > BUSY


def test_stolen_time_counts_and_guests_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch)
    bystanders = Bystanders()
    readings.pass_time(steal=2.0, idle=8.0)
    assert bystanders.share() == pytest.approx(0.2)
    bystanders = Bystanders()
    readings.pass_time(user=2.0, guest=2.0, nice=1.0, guest_nice=1.0, idle=7.0)
    assert bystanders.share() == pytest.approx(0.3)


def test_systems_with_fewer_readings_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch, ("user", "nice", "system", "idle"))
    bystanders = Bystanders()
    readings.pass_time(user=5.0, idle=5.0)
    assert bystanders.share() == pytest.approx(0.5)


def test_share_counts_from_its_own_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = Readings(monkeypatch)
    readings.pass_time(user=100.0)
    bystanders = Bystanders()
    readings.pass_time(idle=10.0)
    assert bystanders.share() == 0.0


seconds = st.floats(0, 1e4)


@settings(deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(LINUX[:8], seconds)), seconds)
def test_share_is_a_share(elapsed: dict[str, float], own: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        readings = Readings(patch)
        bystanders = Bystanders()
        readings.pass_time(own=own, **elapsed)
        assert 0 <= bystanders.share() <= 1


def test_share_is_a_share_when_the_kernel_takes_waiting_time_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Linux may decrease `iowait`: proc(5) says so."""
    readings = Readings(monkeypatch)
    bystanders = Bystanders()
    readings.pass_time(user=10.0, iowait=-1.0)
    assert bystanders.share() == 1.0
