"""The keys to the exercises: one file a lesson. A kernel in which work is graded has no access to this folder."""
