"""What virtualizing is good for: a computer's state is a value, to be kept, gone back to, and carried away."""

from vlab.operations.classification import Classification, Classified, Evidence, Kind, Pair, classify
from vlab.operations.equivalence import EquivalenceRow, EquivalenceTable, Level, Likeness, compare_all
from vlab.operations.failover import Epoch, Failure, Protected, Watchdog
from vlab.operations.farm import Farm, Inventory, Move, Server
from vlab.operations.isolation import Cell, IsolationMatrix, Verdict, probe_isolation
from vlab.operations.linux import LinuxBoot, boot_linux
from vlab.operations.migration import Cable, Migration, Round, migrate
from vlab.operations.snapshots import Saved, Snapshots
from vlab.operations.together import Together

__all__ = [
    "Cable",
    "Cell",
    "Classification",
    "Classified",
    "Epoch",
    "EquivalenceRow",
    "EquivalenceTable",
    "Evidence",
    "Failure",
    "Farm",
    "Inventory",
    "IsolationMatrix",
    "Kind",
    "Level",
    "Likeness",
    "LinuxBoot",
    "Migration",
    "Move",
    "Pair",
    "Protected",
    "Round",
    "Saved",
    "Server",
    "Snapshots",
    "Together",
    "Verdict",
    "Watchdog",
    "boot_linux",
    "classify",
    "compare_all",
    "migrate",
    "probe_isolation",
]
