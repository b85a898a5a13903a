"""Popek and Goldberg's classes of instructions, by experiment on a machine."""

from vlab.operations.classification.classification import Classification, Pair, classify
from vlab.operations.classification.kinds import Classified, Evidence, Kind
from vlab.operations.classification.names import names

__all__ = ["Classification", "Classified", "Evidence", "Kind", "Pair", "classify", "names"]
