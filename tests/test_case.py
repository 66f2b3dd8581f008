"""Cases, and what work costs at least."""

import pytest

from mlpperf.case import Case, Cost
from mlpperf.errors import MlpperfError


@pytest.mark.parametrize("batch", [0, -1])
def test_a_case_without_samples_is_refused(batch: int) -> None:
    with pytest.raises(MlpperfError) as refused:
        Case(batch)
    assert str(refused.value) == f"A case needs at least one sample, not batch={batch}."


def test_a_single_sample_is_a_case() -> None:
    assert Case(1).name == "batch-1"


@pytest.mark.parametrize(
    ("bytes_", "written", "in_place"),
    [(0, 0, False), (100, 0, False), (100, 100, False), (100, 50, True), (101, 50, True)],
)
def test_what_is_written_is_part_of_what_is_moved(
    bytes_: int, written: int, in_place: bool
) -> None:
    assert Cost(bytes_, written=written, in_place=in_place).written == written


@pytest.mark.parametrize(
    ("written", "in_place", "sentence"),
    [
        (101, False, "Of 100 bytes that are moved, 0 to 100 can be written, not 101."),
        (-1, False, "Of 100 bytes that are moved, 0 to 100 can be written, not -1."),
        (51, True, "Of 100 bytes that are moved, 0 to 50 can be written in place, not 51."),
    ],
)
def test_more_than_is_moved_cannot_be_written(written: int, in_place: bool, sentence: str) -> None:
    with pytest.raises(MlpperfError) as refused:
        Cost(100, written=written, in_place=in_place)
    assert str(refused.value) == sentence


def test_operations_are_a_product_and_a_sum_for_each_element_of_each_pair() -> None:
    assert Cost(0, products=((2, 3, 5), (7, 11, 13))).flops == 2 * 2 * 3 * 5 + 2 * 7 * 11 * 13
    assert Cost(8).flops == 0
