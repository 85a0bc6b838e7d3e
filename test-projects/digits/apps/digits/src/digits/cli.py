"""The command line: reads the options, runs the two halves, prints one line of JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    from digits.learning import evaluate
    from digits.picture import draw

    result = evaluate(options.workers)
    picture = options.output.resolve()
    draw(result.expected, result.predicted, picture)
    print(json.dumps({"accuracy": result.accuracy, "picture": str(picture)}))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="digits",
        description="Train a classifier on handwritten digits and show what it confuses.",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("confusion-matrix.png"),
        help="where the picture goes (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=_positive,
        default=1,
        help="evaluate in N processes (default: %(default)s, this one)",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
