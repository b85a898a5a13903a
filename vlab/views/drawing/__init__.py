"""Drawing itself: shapes, letters, the one visual grammar, and a finished picture."""
