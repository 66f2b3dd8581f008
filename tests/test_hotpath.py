"""Cases, hot paths and problems: the plain data that everything else looks at."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from mlpperf.agreement import Agreement, Arrays, Proof, WrongResultError, compare, fingerprint
from mlpperf.articles.mlp.equations import Array
from mlpperf.articles.mlp.network import ARTICLE_LAYERS, NetworkCase
from mlpperf.backends import NUMPY, Backend
from mlpperf.errors import MlpperfError
from mlpperf.hotpath import (
    Args,
    Case,
    Cost,
    HotPath,
    Variant,
    as_given,
    forget,
    fresh,
    problem,
    proven,
    verify,
)

SMALL = NetworkCase(4, (3, 2), "synthetic")
OTHER = NetworkCase(5, (3, 2), "synthetic")


def product(weights: tuple[Array, ...], x: Array) -> Arrays:
    """W·X for every W."""
    return tuple(w @ x for w in weights)


def product_in_place(weights: tuple[Array, ...], x: Array, outs: Arrays) -> Arrays:
    """The same into buffers."""
    for w, out in zip(weights, outs, strict=True):
        np.matmul(w, x, out=out)
    return outs


def with_buffers(weights: tuple[Array, ...], x: Array) -> Args:
    """A buffer for each product."""
    return weights, x, tuple(np.empty((len(w), x.shape[1])) for w in weights)


def inputs(case: Case, rng: Generator) -> Args:
    n, m = case.layers
    return (rng.random((m, n)), rng.random((m, n))), rng.random((case.batch, n)).T


PATH = HotPath(
    name="product",
    story="\nSome products.\n\nAnd what is known about them.\n",
    reference=product,
    variants=(Variant(product_in_place, prepare=with_buffers),),
    inputs=inputs,
    cases=(SMALL, OTHER),
    cost=lambda case: Cost(bytes=8, depth=case.layers[0]),
)


# --- Case and Cost --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "name"),
    [
        (NetworkCase(500), "batch-500"),
        (NetworkCase(1), "batch-1"),
        (NetworkCase(500, (784, 200, 10)), "batch-500-784x200x10"),
        (NetworkCase(20_000, data="synthetic"), "batch-20000-synthetic"),
        (NetworkCase(3, (1, 1), "digits"), "batch-3-1x1-digits"),
    ],
)
def test_the_name_of_a_case_has_what_differs_from_the_article(case: Case, name: str) -> None:
    assert case.name == name


def test_a_case_is_the_articles_by_default() -> None:
    assert NetworkCase(500) == NetworkCase(500, ARTICLE_LAYERS, "mnist")
    assert ARTICLE_LAYERS == (784, 70, 30, 10)


@pytest.mark.parametrize("batch", [0, -1, -500])
def test_a_case_needs_a_sample(batch: int) -> None:
    with pytest.raises(MlpperfError, match=f"at least one sample .* not batch={batch}, layers="):
        NetworkCase(batch)


@pytest.mark.parametrize("layers", [(), (5,), (5, 0), (0, 5), (5, -1, 5)])
def test_a_case_needs_two_layers_of_a_node(layers: tuple[int, ...]) -> None:
    with pytest.raises(MlpperfError, match="two layers of at least one node") as caught:
        NetworkCase(1, layers)
    assert f"layers={layers}" in str(caught.value)


def test_a_case_can_be_a_key_and_does_not_change() -> None:
    assert len({NetworkCase(1), NetworkCase(1), NetworkCase(2)}) == 2
    with pytest.raises(FrozenInstanceError):
        NetworkCase(1).batch = 2  # type: ignore[misc]


def test_the_operations_of_a_cost_are_those_of_its_products() -> None:
    # A multiplication and an addition for each of rows × inner × columns.
    assert Cost(1, ((2, 3, 5), (7, 1, 1))).flops == 2 * (2 * 3 * 5 + 7)
    assert Cost(1).flops == 0
    assert Cost(1).depth == 1


# --- Variant and HotPath --------------------------------------------------------------------------


def test_a_variant_is_called_what_its_function_is() -> None:
    assert Variant(product).name == "product"
    assert Variant(product).agreement is Agreement.REASSOCIATED
    assert Variant(product).backend is NUMPY
    assert Variant(product, backend=Backend("numpy", "twice")).name == "product_twice"


def test_nothing_to_prepare_gives_what_it_got() -> None:
    a, b = np.ones(1), (np.ones(2), 3)
    given = as_given(a, b)
    assert given[0] is a
    assert given[1] is b
    assert as_given() == ()


def test_the_title_is_the_first_line_of_the_story() -> None:
    assert PATH.title == "Some products"
    assert replace(PATH, story="One line").title == "One line"


def test_the_contestants_are_the_reference_and_then_the_variants_in_their_order() -> None:
    def another(*args: Any) -> Arrays:
        """Another."""
        return product(*args)

    path = replace(PATH, variants=(Variant(another), *PATH.variants))
    assert [v.name for v in path.contestants] == ["product", "another", "product_in_place"]
    first = path.contestants[0]
    assert (first.fn, first.agreement, first.prepare) == (product, Agreement.IDENTICAL, as_given)
    assert path.contestants[1:] == path.variants


def test_a_path_without_variants_is_a_path() -> None:
    assert [v.name for v in replace(PATH, variants=()).contestants] == ["product"]


def undocumented(*args: Any) -> Arrays:
    return product(*args)


def blank(*args: Any) -> Arrays:
    return product(*args)


blank.__doc__ = ""


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"name": ""}, "names must be identifiers and unique"),
        ({"name": "Product"}, "'Product': names must be identifiers"),
        ({"name": "a product"}, "'a product': names must be identifiers"),
        ({"name": "pro-duct"}, "names must be identifiers"),
        ({"name": "2_products"}, "names must be identifiers"),
        ({"name": "_product"}, "names must be identifiers"),
        ({"name": "product\n"}, "names must be identifiers"),
        ({"name": "produßt"}, "names must be identifiers"),
        ({"variants": (Variant(product),)}, "'product': names must be identifiers and unique"),
        ({"variants": PATH.variants * 2}, "'product': names must be identifiers and unique"),
        ({"cases": ()}, "'product' needs cases, a story and docstrings"),
        ({"story": ""}, "'product' needs cases, a story and docstrings"),
        ({"story": " \n "}, "'product' needs cases, a story and docstrings"),
        ({"reference": undocumented}, "'product' needs cases, a story and docstrings"),
        ({"variants": (Variant(undocumented),)}, "'product' needs cases, a story and docstrings"),
        ({"variants": (Variant(blank),)}, "'product' needs cases, a story and docstrings"),
        ({"variants": (Variant(lambda w, x: (w, x)),)}, "needs cases, a story and docstrings"),
    ],
)
def test_an_incomplete_hot_path_is_refused(change: dict[str, Any], fragment: str) -> None:
    with pytest.raises(MlpperfError, match=r"^Hot path ") as caught:
        replace(PATH, **change)
    assert fragment in str(caught.value)


def test_a_page_without_a_docstring_has_no_story() -> None:
    # `story=__doc__` on a page that has none.
    with pytest.raises(MlpperfError, match="'product' needs cases, a story and docstrings"):
        replace(PATH, story=None)


# --- problem --------------------------------------------------------------------------------------


def test_a_problem_is_always_the_same() -> None:
    first = problem(PATH, SMALL)
    forget()
    second = problem(PATH, SMALL)
    assert second is not first
    assert first.fingerprint == second.fingerprint == fingerprint(first.inputs)
    for a, b in zip(first.expected, second.expected, strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(first.inputs[1], second.inputs[1])
    assert first.inputs[1] is not second.inputs[1]


def test_other_cases_are_other_problems() -> None:
    assert problem(PATH, SMALL).fingerprint != problem(PATH, OTHER).fingerprint
    assert problem(PATH, OTHER).inputs[1].shape == (3, 5)


def test_a_problem_is_kept_while_it_is_in_use() -> None:
    assert problem(PATH, SMALL) is problem(PATH, SMALL)


def test_all_inputs_are_read_only() -> None:
    (w, v), x = problem(PATH, SMALL).inputs
    for array in (w, v, x):
        with pytest.raises(ValueError, match="read-only"):
            array += 1


def test_the_expected_result_is_that_of_the_reference() -> None:
    given = problem(PATH, SMALL)
    (w, v), x = given.inputs
    assert compare((w @ x, v @ x), given.expected, Agreement.IDENTICAL, 1) == Proof()


def test_what_a_variant_does_to_its_result_does_not_reach_the_expected_one() -> None:
    def itself(weights: tuple[Array, ...], x: Array) -> Arrays:
        """The inputs as they are."""
        return (*weights, x)

    path = replace(PATH, name="itself", reference=itself, variants=())
    verify(path, path.contestants[0], SMALL)
    given = problem(path, SMALL)
    assert not any(
        np.shares_memory(a, b) for a in given.expected for b in (*given.inputs[0], given.inputs[1])
    )
    assert all(np.isfinite(a).all() for a in given.expected)


@pytest.mark.parametrize(
    ("reason", "fragment"),
    [
        (ValueError("shapes do not fit"), "the reference raised ValueError('shapes do not fit')."),
        (ZeroDivisionError(), "the reference raised ZeroDivisionError()."),
        (MlpperfError("no data"), "the reference raised MlpperfError('no data')."),
    ],
)
def test_a_reference_that_raises_is_reported_in_a_sentence(
    reason: Exception, fragment: str
) -> None:
    def failing(*args: Any) -> Arrays:
        """Fails."""
        raise reason

    path = replace(PATH, reference=failing)
    for ask in (problem, lambda p, c: verify(p, p.variants[0], c)):
        with pytest.raises(WrongResultError) as caught:
            ask(path, SMALL)
        assert str(caught.value) == f"product: {fragment}"
        assert caught.value.__cause__ is reason


def test_a_reference_that_writes_to_its_inputs_is_reported_in_a_sentence() -> None:
    def scaling(weights: tuple[Array, ...], x: Array) -> Arrays:
        """Scales its input."""
        x *= 2
        return product(weights, x)

    with pytest.raises(WrongResultError, match=r"product: the reference raised .*read-only"):
        problem(replace(PATH, reference=scaling), SMALL)


# --- updates --------------------------------------------------------------------------------------


def accumulate(totals: tuple[Array, ...], x: Array) -> Arrays:
    """Adds X to every total, in place."""
    for total in totals:
        total += x
    return totals


def totals_and_x(case: Case, rng: Generator) -> Args:
    return (np.zeros((3, 2)), np.asfortranarray(rng.random((3, 2)))), rng.random((3, 2))


UPDATING = HotPath(
    name="accumulate",
    story="Totals.",
    reference=accumulate,
    variants=(),
    inputs=totals_and_x,
    cases=(SMALL,),
    cost=lambda case: Cost(bytes=1),
    updates=(0,),
)


def test_arguments_that_may_change_are_copied_and_all_others_are_not() -> None:
    given = problem(UPDATING, SMALL).inputs
    (first, second), x = fresh(UPDATING, given)
    assert x is given[1]
    assert not x.flags.writeable
    for copied, original in zip((first, second), given[0], strict=True):
        assert copied.flags.writeable
        assert not np.shares_memory(copied, original)
        assert np.array_equal(copied, original)
    assert second.flags.f_contiguous  # the memory order is part of what is timed


def test_a_path_that_updates_leaves_the_inputs_alone() -> None:
    given = problem(UPDATING, SMALL)
    assert fingerprint(given.inputs) == given.fingerprint
    assert not given.inputs[0][0].any()
    assert np.array_equal(given.expected[0], given.inputs[1])


def test_arrays_in_a_dictionary_are_read_only_and_their_change_is_noticed() -> None:
    def spoils(weights: dict[str, Array]) -> Arrays:
        """Writes to its input in spite of that."""
        weights["w"].flags.writeable = True
        weights["w"] += 1
        return (np.arange(3.0),)

    def same(weights: dict[str, Array]) -> Arrays:
        """As it is."""
        return (weights["w"].copy(),)

    path = replace(
        PATH,
        reference=same,
        variants=(Variant(spoils),),
        inputs=lambda case, rng: ({"w": np.arange(3.0)},),
    )
    assert not problem(path, SMALL).inputs[0]["w"].flags.writeable
    verify(path, Variant(same), SMALL)
    with pytest.raises(WrongResultError, match="changed an input"):
        verify(path, Variant(spoils), SMALL)


def test_inputs_whose_change_would_not_be_seen_are_refused() -> None:
    path = replace(PATH, inputs=lambda case, rng: (np.ones(3), {"of": [rng]}))
    words = "product: the inputs of .* hold a Generator, .*: make it in `prepare`"
    with pytest.raises(MlpperfError, match=words) as raised:
        problem(path, SMALL)
    assert not isinstance(raised.value, WrongResultError)  # it is unknown, not wrong


# --- proven ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PATH, UPDATING], ids=lambda path: path.name)
def test_what_was_proven_can_be_run_again(path: HotPath) -> None:
    for variant in path.contestants:
        proof, args = proven(path, variant, SMALL)
        assert proof == verify(path, variant, SMALL)
        again = variant.call(*args)
        expected = problem(path, SMALL).expected
        assert compare(again, expected, variant.agreement, path.cost(SMALL).depth) == proof


def test_arguments_are_prepared_once_and_those_that_change_before_every_call() -> None:
    counted: list[int] = []

    def counting(prepare: Callable[..., Args]) -> Callable[..., Args]:
        def prepared(*args: Any) -> Args:
            counted.append(0)
            return prepare(*args)

        return prepared

    verify(PATH, Variant(product_in_place, prepare=counting(with_buffers)), SMALL)
    assert len(counted) == 1
    counted.clear()
    verify(UPDATING, Variant(accumulate, prepare=counting(as_given)), SMALL)
    assert len(counted) >= 2  # the second call must not start from what the first one left


def test_the_case_decides_how_deep_the_rounding_goes() -> None:
    deep = replace(PATH, cost=lambda case: Cost(bytes=1, depth=100))
    shallow = replace(PATH, cost=lambda case: Cost(bytes=1, depth=1))
    proofs = [verify(path, path.variants[0], SMALL) for path in (deep, shallow)]
    assert proofs[0].tolerance == pytest.approx(10 * proofs[1].tolerance)
