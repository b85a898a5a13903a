"""Measurements, run by `make bench`. Each module `bench_*` has `report() -> str`: a title and its table."""
