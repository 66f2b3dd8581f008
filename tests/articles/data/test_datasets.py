import hashlib
import re
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from mlpperf.articles.data import datasets as data
from mlpperf.articles.data import samples
from mlpperf.articles.data.samples import Scaling
from mlpperf.errors import MlpperfError

# --- sets by name --------------------------------------------------------------------------------


def test_load() -> None:
    assert data.load("digits").name == "digits"
    loaded = data.load("synthetic:30")
    assert loaded.name == "synthetic:30"
    assert loaded.train_images.shape == (30, 784)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("MNIST", "no data set 'MNIST'; did you mean mnist"),
        ("minst", "did you mean mnist"),
        ("digit", "did you mean digits"),
        ("sinthetic:100", "did you mean synthetic:N"),
        ("cifar", "there are mnist, digits, synthetic:N."),
        ("clusters:70", "there are mnist, digits, synthetic:N."),  # `loading` knows them
        ("", "no data set ''"),
        ("synthetic", "write synthetic:60000"),
        ("synthetic:1e6", "write synthetic:60000"),
        ("synthetic:-5", "write synthetic:60000"),
        ("synthetic:0", "samples must be a whole number of at least 1, not 0"),
    ],
)
def test_load_unknown(name: str, sentence: str) -> None:
    with pytest.raises(MlpperfError, match=re.escape(sentence)):
        data.load(name)


def test_import_is_light() -> None:
    loaded = "{'sklearn', 'tensorflow', 'rich'} & set(sys.modules)"
    code = f"import sys, mlpperf.articles.data.datasets; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def fingerprint(loaded: data.Dataset) -> str:
    arrays = (loaded.train_images, loaded.train_labels, loaded.test_images, loaded.test_labels)
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]


def test_digits() -> None:
    digits = data.digits()
    assert digits.train_images.shape == (1500, 64)
    assert digits.test_images.shape == (297, 64)
    assert digits.train_images.max() == 16
    assert np.bincount(digits.test_labels).min() > 15
    assert fingerprint(digits) == "d6689b4f7485993e"


def test_digits_are_read_without_importing_what_reads_them_unless_they_lie_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as missing:
        missing.setitem(sys.modules, "sklearn.datasets", None)
        read = fingerprint(data.digits())
    monkeypatch.setattr(data, "DIGITS", "elsewhere.csv.gz")
    assert fingerprint(data.digits()) == read


def test_synthetic_is_the_same_everywhere() -> None:
    assert fingerprint(data.synthetic(1000)) == "1dd48d90dc9787ca"
    assert fingerprint(data.synthetic(1000, seed=1)) != fingerprint(data.synthetic(1000))


def test_synthetic_classes_take_turns() -> None:
    big = data.synthetic(20_000, pixels=7)
    assert big.train_images.shape == (20_000, 7)
    assert big.test_images.shape == (3333, 7)
    assert big.train_labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert np.bincount(big.train_labels).tolist() == [2000] * 10


def test_synthetic_smallest() -> None:
    assert len(data.synthetic(1, pixels=1).test_images) == 10
    assert data.synthetic(np.int32(60)).test_images.shape == (10, 784)


def test_synthetic_can_be_learnt() -> None:
    drawn = data.synthetic(1000, pixels=64)
    centroids = np.stack(
        [drawn.train_images[drawn.train_labels == label].mean(0) for label in range(10)]
    )
    distances = ((drawn.test_images[:, None] - centroids) ** 2).sum(2)
    assert (distances.argmin(1) == drawn.test_labels).mean() > 0.95
    assert drawn.train_images.std(0).min() > 20  # and no pixel tells nothing


def test_synthetic_memory() -> None:
    def overhead(samples: int) -> int:
        tracemalloc.start()
        try:
            drawn = data.synthetic(samples)
            return tracemalloc.get_traced_memory()[1] - (
                drawn.train_images.nbytes + drawn.test_images.nbytes
            )
        finally:
            tracemalloc.stop()

    # The labels, however many samples there are; float64 copies would be 630 MB.
    assert overhead(100_000) < 1e6


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"samples": 0}, "samples must be a whole number of at least 1, not 0"),
        ({"samples": -3}, "not -3"),
        ({"samples": 1e6}, "not 1000000.0"),
        ({"samples": "many"}, "not 'many'"),
        ({"samples": 5, "pixels": 0}, "pixels must be a whole number of at least 1"),
        ({"samples": 5, "seed": -1}, "seed must be a whole number of at least 0"),
        ({"samples": 10**15}, "do not fit into memory"),
        ({"samples": 10**30}, "do not fit into memory"),
        ({"samples": 1, "pixels": 10**17}, "do not fit into memory"),
    ],
)
def test_synthetic_bad_numbers(arguments: dict[str, int], sentence: str) -> None:
    with pytest.raises(MlpperfError, match=re.escape(sentence)):
        data.synthetic(**arguments)


# --- Dataset, one_hot ----------------------------------------------------------------------------

IMAGES, LABELS = np.arange(12, dtype=np.uint8).reshape(4, 3), np.array([0, 9, 3, 1], np.uint8)


def test_dataset_is_read_only() -> None:
    made = data.Dataset("made", IMAGES, LABELS, IMAGES, LABELS)
    for array in (made.train_images, made.train_labels, made.test_images, made.test_labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    assert IMAGES.flags.writeable  # the caller's own array stays as it was
    assert made != data.Dataset("made", IMAGES, LABELS, IMAGES, LABELS)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        (
            "train_images",
            IMAGES.ravel(),
            "made: train_images must be a non-empty array of",
        ),
        ("train_images", IMAGES.astype(float), "train_images must be a non-empty array of uint8"),
        ("train_images", IMAGES.tolist(), "must be a non-empty array"),
        ("train_images", IMAGES[:0], "must be a non-empty array"),
        ("train_images", np.asfortranarray(IMAGES), "in C order"),
        ("train_images", IMAGES[:3], "made: each of 3 train_images needs one of the labels"),
        ("test_images", IMAGES[:, :2].copy(), "made: training and test images differ"),
        (
            "test_labels",
            LABELS.astype(int),
            "made: test_labels must be a non-empty array of",
        ),
        ("test_labels", LABELS[:, None], "test_labels must be a non-empty array"),
        ("test_labels", LABELS + np.uint8(1), "needs one of the labels 0 to 9"),
    ],
)
def test_dataset_refuses(field: str, value: object, sentence: str) -> None:
    fields = {
        "train_images": IMAGES,
        "train_labels": LABELS,
        "test_images": IMAGES,
        "test_labels": LABELS,
    }
    with pytest.raises(MlpperfError, match=re.escape(sentence)):
        data.Dataset("made", **{**fields, field: value})


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.uint64])
def test_one_hot(kind: type) -> None:
    scaling = Scaling("standard", IMAGES)
    targets = samples.Samples(IMAGES, LABELS.astype(kind), 10, scaling).one_hot(np.float32)
    assert targets.dtype == np.float32
    assert targets.flags.c_contiguous
    np.testing.assert_array_equal(targets, np.eye(10)[:, LABELS])


# --- scaling -------------------------------------------------------------------------------------


def test_scaling_is_standard_scaler(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.preprocessing import StandardScaler

    digits = data.digits()
    scaler = StandardScaler().fit(digits.train_images)
    scaling = Scaling("standard", digits.train_images)
    for images in (digits.train_images, digits.test_images):
        exact = scaler.transform(images)
        np.testing.assert_array_equal(scaling(images, np.float64), exact)
        scaled = scaling(images)
        assert scaled.dtype == np.float32
        assert scaled.flags.c_contiguous
        np.testing.assert_array_equal(scaled, exact.astype(np.float32))
    scaled = scaling(digits.train_images, np.float64)
    constant = digits.train_images.min(0) == digits.train_images.max(0)
    assert constant.any()
    assert not scaled[:, constant].any()
    # Sums of 1,500 values of order 1 round by far less than this.
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled[:, ~constant].std(0), 1, rtol=1e-12)
    # Of 215 chunks means and variances are merged in another order: a few roundings each.
    monkeypatch.setattr(samples, "SCALING_CHUNK", 7)
    pieces = Scaling("standard", digits.train_images)(digits.train_images, np.float64)
    np.testing.assert_allclose(pieces, scaled, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [np.int16, np.float16, np.float32, np.float64])
def test_scaling_accepts(kind: type) -> None:
    images = IMAGES.astype(kind)
    scaled = Scaling("standard", images)(images, np.float64)
    np.testing.assert_array_equal(images, IMAGES)  # not scaled in place
    np.testing.assert_array_equal(scaled, Scaling("standard", IMAGES)(IMAGES, np.float64))
