"""What values may be: what is taken, and what is refused."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlpperf.engine.history.fields import (
    LATEST,
    MOST,
    Amount,
    Bounds,
    Count,
    Name,
    Positive,
    inverse,
    json_in,
    known,
    seconds_of,
    writable,
)


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (Name, "a"),
        (Count, 0),
        (Count, (1 << 31) - 1),
        (Amount, 0.0),
        (Amount, MOST),
        (Positive, 1 / MOST),
        (Bounds, {"median": 2.0, "low": 1.0, "high": 3.0}),
        (Bounds, {"median": 2.0, "low": 1.0, "high": None}),
        (Bounds, {"median": None, "low": None, "high": None}),
    ],
)
def test_values_within_the_bounds_are_accepted(shape: Any, value: Any) -> None:
    msgspec.convert(value, shape)


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (Name, ""),
        (Name, None),
        (Count, -1),
        (Count, 1 << 31),
        (Count, True),
        (Count, 1.5),
        *((Amount, value) for value in (-1e-9, math.nan, math.inf, 1e300, "1", True, None, [])),
        *((Positive, value) for value in (0.0, 5e-324, -1.0)),
        (Bounds, {"median": 2.0, "low": 3.0, "high": 4.0}),
        (Bounds, {"median": 2.0, "low": 1.0, "high": 1.5}),
        (Bounds, {"median": None, "low": 1.0, "high": 2.0}),
        (Bounds, {"median": 2.0, "low": 1.0}),
        (Bounds, 2.0),
    ],
)
def test_values_beyond_the_bounds_are_refused(shape: Any, value: Any) -> None:
    with pytest.raises(ValueError, match=r".") as reason:
        msgspec.convert(value, shape)
    assert str(reason.value).isprintable()


def test_null_becomes_nan() -> None:
    assert math.isnan(known(None))
    assert known(2.0) == 2.0
    assert inverse(4.0) == 0.25
    assert all(math.isnan(inverse(value)) for value in (None, 0.0, -1.0, math.inf, 5e-324))


def test_a_time_without_a_zone_is_in_utc() -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    for text in ("2026-05-01T12:00:00", "2026-05-01T14:00:00+02:00", "20260501T120000Z"):
        assert seconds_of(text) == noon.timestamp()


@pytest.mark.parametrize(
    "text",
    [
        *("yesterday", "", "1969-12-31T23:59:59", "2262-01-01T00:00:00", "10000-01-01"),
        *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-02-30"),
    ],
)
def test_a_time_that_cannot_be_written_everywhere_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the time"):
        seconds_of(text)


def test_the_date_of_a_commit_is_the_nearest_that_can_be_written() -> None:
    assert writable("1760000000") == 1_760_000_000
    assert writable("-5") == 0
    latest = datetime.fromtimestamp(writable("99999999999999999"), UTC)
    assert latest.timestamp() == LATEST - 1
    assert latest.year == 2261


def test_json_of_other_tools_may_contain_nan_and_half_surrogates(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b'\xef\xbb\xbf{"a\\ud800": [NaN, Infinity, "\\udfff\\u65e5"]}')
    ((name, (nan, infinite, text)),) = json_in(file).items()
    assert (name, text) == ("a\\ud800", "\\udfff日")
    assert math.isnan(nan)
    assert math.isinf(infinite)
    json.dumps(text).encode()
