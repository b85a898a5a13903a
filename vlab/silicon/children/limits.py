"""The limits that a child sets itself before it does anything."""

CPU_SECONDS = 5
MEMORY = 1 << 30
FILES = 64


def limit() -> None:
    """Little time and memory, no file written, and no core left behind; where the host knows such limits."""
    try:
        import resource
    except ImportError:  # Windows
        return
    wanted = {"CPU": CPU_SECONDS, "CORE": 0, "FSIZE": 0, "NOFILE": FILES, "AS": MEMORY}
    for name, most in wanted.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (OSError, ValueError):  # a sandbox that refuses it has limits of its own
            continue
