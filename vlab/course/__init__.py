"""The course around the machine: the reader's lessons and the check of what this host offers."""
