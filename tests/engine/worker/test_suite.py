"""What a copy says is fit to be shown and recorded."""

import json

from mlpperf.engine.worker.suite import printable


def test_names_have_escapes_for_what_cannot_be_shown() -> None:
    odd = "array([1,\n 2])\x1b[2J\udc80"
    assert printable(odd) == r"array([1,\n 2])\x1b[2J\udc80"
    assert printable(printable(odd)) == printable(odd)
    json.dumps(printable(odd), ensure_ascii=False).encode()


def test_other_names_stay_as_they_are() -> None:
    for name in ("test_area[ten steps-[20]::é-日本]", "(10, 'a')", r"C:\path\n"):
        assert printable(name) == name
