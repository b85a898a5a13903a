"""`python -m tests.benchmarks [NAME...]` prints the floors' sizes, then every measurement, or those named."""

import sys
from importlib import import_module
from pathlib import Path

from tests import house


def main(chosen: list[str]) -> None:
    """Print the floors' sizes and the report of each measurement as soon as it is there."""
    print("Size of each floor", house.report(), sep="\n\n")
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        name = path.stem.removeprefix("bench_")
        if not chosen or name in chosen:
            print("", import_module(f"tests.benchmarks.{path.stem}").report(), sep="\n", flush=True)


main(sys.argv[1:])
