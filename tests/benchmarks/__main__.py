"""`python -m tests.benchmarks [NAME...]` prints the floors' sizes, then every measurement, or those named."""

import sys
from importlib import import_module
from pathlib import Path

from tests import house

NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main(chosen: list[str]) -> None:
    """Print the floors' sizes and the report of each measurement as soon as it is there."""
    if unknown := sorted(set(chosen) - set(NAMES)):
        sys.exit(f"There is no measurement {', '.join(unknown)}. There are: {', '.join(NAMES)}.")
    print("Size of each floor", house.report(), sep="\n\n", flush=True)
    for name in chosen or NAMES:
        print("", import_module(f"tests.benchmarks.bench_{name}").report(), sep="\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
