"""The half that stands on the scikit-learn layer."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC


@dataclass(frozen=True)
class Evaluation:
    """The digits of the test set, what was read in their place, and the share that is right."""

    expected: np.ndarray
    predicted: np.ndarray

    @property
    def accuracy(self) -> float:
        return round(float(np.mean(self.expected == self.predicted)), 4)


def evaluate(workers: int) -> Evaluation:
    """Learn from half of the digits and read the other half, in ``workers`` processes."""
    digits = load_digits()
    known, unknown, labels, expected = train_test_split(
        digits.data, digits.target, test_size=0.5, shuffle=False
    )
    model = SVC(gamma=0.001).fit(known, labels)
    if workers == 1:
        return Evaluation(expected, model.predict(unknown))
    # Spawned, not forked: each process starts this layer's interpreter anew.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        parts = pool.map(model.predict, np.array_split(unknown, workers), chunksize=1)
    return Evaluation(expected, np.concatenate(parts))
