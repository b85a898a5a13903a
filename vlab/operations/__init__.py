"""What virtualizing is good for: a computer's state is a value, to be kept, gone back to, and carried away."""

from vlab.operations.snapshots import Saved, Snapshots

__all__ = ["Saved", "Snapshots"]
