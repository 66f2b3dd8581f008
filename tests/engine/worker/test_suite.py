"""What a copy says is fit to be shown and recorded."""

import json

from mlpperf.engine.worker.suite import distinct, printable


def test_names_have_escapes_for_what_cannot_be_shown() -> None:
    odd = "array([1,\n 2])\x1b[2J\udc80"
    assert printable(odd) == r"array([1,\n 2])\x1b[2J\udc80"
    assert printable(printable(odd)) == printable(odd)
    json.dumps(printable(odd), ensure_ascii=False).encode()


def test_other_names_stay_as_they_are() -> None:
    for name in ("test_area[ten steps-[20]::é-日本]", "(10, 'a')", r"C:\path\n"):
        assert printable(name) == name


def test_a_name_has_no_address_of_an_object_which_is_another_one_in_each_process() -> None:
    cases = "[<town.Walk object at 0x7f3f69997ed0>-1]", "[<town.Walk object at 0x55aa>-1]", "[at 0]"
    names = distinct(("town.py", case, "test_walk") for case in cases)
    told = ["[<town.Walk object>-1]", "[<town.Walk object>-1]#2", "[at 0]"]
    assert list(names) == [("town.py", case, "test_walk") for case in told]
