"""The half that stands on the plotting layer."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np


def draw(expected: np.ndarray, predicted: np.ndarray, picture: Path) -> None:
    """Write the confusion matrix as a PNG to ``picture``, whose folder is made if need be."""
    with _matplotlib_folder():
        from matplotlib.figure import Figure
        from sklearn.metrics import ConfusionMatrixDisplay

        figure = Figure(figsize=(6, 5.5), layout="constrained")
        axes = figure.add_subplot()
        ConfusionMatrixDisplay.from_predictions(
            expected, predicted, ax=axes, cmap="Blues", colorbar=False
        )
        axes.set_title("Handwritten digits: what was read as what")
        picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(picture, format="png", dpi=120)


@contextmanager
def _matplotlib_folder() -> Iterator[None]:
    """Matplotlib warns where it can write neither settings nor font cache: no home, no rights."""
    if "MPLCONFIGDIR" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="digits-") as folder:
        os.environ["MPLCONFIGDIR"] = folder
        try:
            yield
        finally:
            del os.environ["MPLCONFIGDIR"]
