"""A cheap prefilter: products of rows rounded to bfloat16, if the processor multiplies bfloat16.

With â = a rounded, ⟨a, b⟩ - ⟨â, b̂⟩ = ⟨a - â, b⟩ + ⟨â, b - b̂⟩, and by Cauchy–Schwarz that is at
most ‖a - â‖·‖b‖ + ‖â‖·‖b - b̂‖, about 0.0035 for unit rows. The rounding errors are measured, not
assumed. Processors with AVX512-BF16 or AMX multiply bfloat16 numbers twice as fast as float32 or
faster; NumPy has no such products, oneDNN inside TensorFlow has.


The products are bfloat16 too, with steps of 0.004 between those above 0.5. So each query has an
offset close to its threshold: extra columns, -offset in the query and 1 in the row, subtract it
within the product. The remainder is small, so its rounding is fine.
"""

import functools
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.part_files import NORM_TOLERANCE
from glrtf.embeddings.rows import FLOAT32_UNIT
from glrtf.retrieval.processors import usable_processors

_LEAST_WORK = 2e11
"""Floating-point operations from which a trial of some milliseconds is worthwhile."""
_LEAST_WORK_TO_LOAD = 2e13
"""Operations from which loading TensorFlow is worthwhile: at 200 GFLOP/s it saves most of a
minute."""
USUAL_ERROR = 0.0036
"""The largest error of products of unit rows; `Bfloat16Products.error` is exact."""
_TRIED_ROWS = 1024
_TRIES = 5
_QUIET = 0.15
"""Seconds after which OpenBLAS's threads no longer wait busily for a next product."""
_FLAGS = ("avx512_bf16", "amx_bf16")
_NUMBERS_IN_CACHE = 1 << 18
"""1 MB: fewer at a time, and threads would wait for each other between the steps."""
_FURTHER = 4
"""Columns for the offset: two halves of it, and padding for alignment."""
_LARGEST_OFFSET = 2.0
_HALF_BITS = np.uint32(16)
_LONGEST = 1 + NORM_TOLERANCE
_loading = threading.Lock()


def share_of_float32(dimension: int, work: float) -> float:
    """The time of a bfloat16 product over that of a float32 one, infinite where not available.

    Args:
        dimension: Of the rows.
        work: Floating-point operations of the whole search.
    """
    if work < (_LEAST_WORK if "tensorflow" in sys.modules else _LEAST_WORK_TO_LOAD):
        return float("inf")
    if not _multiplies_bfloat16() or _tensorflow() is None:
        return float("inf")
    return _tried(dimension)


class Bfloat16Products:
    """Products of some queries with rows, both rounded, less the queries' offsets, 0 at first.

    Args:
        queries: (n, dimension) float32 unit rows.
        threads: Round in them.
    """

    def __init__(self, queries: npt.NDArray[np.float32], threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._halves, self._lost = rounded(queries, threads, _FURTHER)
        self.set_offsets(np.zeros(len(queries), np.float32))

    def set_offsets(self, offsets: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Subtracts other offsets from now on.

        Args:
            offsets: (n,) float32, clipped to [-2, 2].

        Returns:
            (n,) float32, the offsets in use: those, to about 17 bits.
        """
        bounded = -np.clip(offsets, -_LARGEST_OFFSET, _LARGEST_OFFSET)[:, None]
        self._largest_offset = float(np.abs(bounded).max(initial=0))
        coarse = rounded(bounded)[0]
        fine = rounded(bounded - _wide(coarse))[0]
        self._halves[:, -_FURTHER:-2] = np.concatenate([coarse, fine], axis=1)
        self._queries = _tensor(self._halves)
        return -(_wide(coarse) + _wide(fine))[:, 0]

    def error(self, lost: float, dimension: int) -> float:
        """How far a product can be from the float32 rows' own, before it is rounded itself.

        Args:
            lost: ‖b - b̂‖ at most, as `prepared` gives it.
            dimension: Of the rows; the sum's own rounding grows with it.
        """
        gamma = 2 * (dimension + _FURTHER) * FLOAT32_UNIT
        longest = _LONGEST + self._lost
        summed = longest**2 + self._largest_offset
        return (self._lost * _LONGEST + longest * lost + gamma * summed) * 1.001

    def prepared(self, rows: npt.NDArray[np.float32]) -> tuple[Any, float]:
        """Rows for `halves`, and the most that rounding took from one of them."""
        halves, lost = rounded(rows, self._threads, _FURTHER)
        halves[:, -_FURTHER:-2] = _ONE
        return _tensor(halves), lost

    def halves(self, queries: slice, rows: Any, chunk: slice) -> npt.NDArray[np.int16]:
        """The bits of the products less the offsets, rounded to the nearest bfloat16 numbers.

        Args:
            queries: Which of the queries.
            rows: What `prepared` made of rows.
            chunk: Which of them.

        Returns:
            (queries, rows) int16.
        """
        tf = _tensorflow()
        with tf.device("CPU"):
            products = tf.matmul(self._queries[queries], rows[chunk], transpose_b=True)
            return np.asarray(tf.bitcast(products, tf.int16))


def rounded(
    rows: npt.NDArray[np.float32],
    threads: ThreadPoolExecutor | None = None,
    further: int = 0,
) -> tuple[npt.NDArray[np.uint16], float]:
    """Rows rounded to the nearest bfloat16 numbers.

    Args:
        rows: (n, dimension) float32.
        threads: Where some are to share the work.
        further: How many columns of 0 are to follow.

    Returns:
        The bits of the rounded rows, (n, dimension + further), and ‖row - rounded row‖ of the row
        that lost most.
    """
    rows = np.ascontiguousarray(rows)
    dimension = rows.shape[1]
    halves = np.empty((len(rows), dimension + further), np.uint16)
    halves[:, dimension:] = 0

    kept = threading.local()
    at_once = max(1, _NUMBERS_IN_CACHE // max(dimension, 1))

    def spare(count: int) -> npt.NDArray[np.uint32]:
        # New memory pages would cost more than the work in them.
        if not hasattr(kept, "bits"):
            kept.bits = np.empty((2, at_once, dimension), np.uint32)
        return kept.bits[:, :count]

    def round_chunk(start: int) -> float:
        chunk = rows[start : start + at_once]
        bits, low = spare(len(chunk))
        np.add(chunk.view(np.uint32), np.uint32(0x8000), out=bits)
        # Shifted and then narrowed: a strided copy of the upper halves is three times as slow.
        halves[start : start + len(chunk), :dimension] = np.right_shift(bits, _HALF_BITS, out=low)
        bits &= np.uint32(0xFFFF0000)
        lost = np.subtract(chunk, bits.view(np.float32), out=bits.view(np.float32))
        return float(np.matmul(lost[:, None, :], lost[:, :, None]).max())

    starts = range(0, len(rows), at_once)
    squares = list(
        map(round_chunk, starts) if threads is None else threads.map(round_chunk, starts)
    )
    # The differences are exact, their squares' sum is not quite.
    return halves, max(squares, default=0.0) ** 0.5 * 1.001


_ONE = rounded(np.ones((1, 1), np.float32))[0]


def _wide(halves: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    return (halves.astype(np.uint32) << _HALF_BITS).view(np.float32)


def _tensor(halves: npt.NDArray[np.uint16]) -> Any:
    tf = _tensorflow()
    with tf.device("CPU"):
        return tf.bitcast(tf.convert_to_tensor(halves), tf.bfloat16)


@functools.cache
def _multiplies_bfloat16() -> bool:
    """Whether the processor reports bfloat16 products."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return any(f" {flag}" in text for flag in _FLAGS)


def _tensorflow() -> Any:
    """TensorFlow, None if it is not installed; it is kept off GPUs."""
    with _loading:
        loaded = "tensorflow" in sys.modules
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            import tensorflow as tf
        except ImportError:
            return None
        if not loaded:
            for device in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(device, True)
        return tf


@functools.cache
def _tried(dimension: int) -> float:
    """Measures a product of each kind; infinite where bfloat16 ones do not round to the nearest."""
    # 1 + 3/512 lies between 1 and 1 + 1/128, nearer to the latter.
    ones = np.array([[1, 3 / 512]], np.float32), np.ones((1, 2), np.float32)
    with ThreadPoolExecutor(usable_processors()) as threads:
        one = Bfloat16Products(ones[0], threads)
        [[bits]] = one.halves(slice(None), one.prepared(ones[1])[0], slice(None))
        if (np.array(bits, np.int32) << 16).view(np.float32) != 1 + 1 / 128:
            return float("inf")
        rows = np.random.default_rng(0).standard_normal((_TRIED_ROWS, dimension), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        products = Bfloat16Products(rows, threads)
        # Not the queries themselves: NumPy computes only half of a symmetric product.
        others, every = rows[::-1].copy(), slice(None)
        prepared = products.prepared(others)[0]
        if usable_processors() > 1:
            # Threads of earlier products would slow down TensorFlow's: a search makes few
            # products in NumPy.
            time.sleep(_QUIET)
        quick = _least_seconds(lambda: products.halves(every, prepared, every))
        return quick / _least_seconds(lambda: rows @ others.T)


def _least_seconds(run: Callable[[], object]) -> float:
    least = float("inf")
    for _ in range(_TRIES):
        began = time.perf_counter()
        run()
        least = min(least, time.perf_counter() - began)
    return least
