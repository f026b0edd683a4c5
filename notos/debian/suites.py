"""Debian's suites by name: those that need special care."""

# Without separate updates and security suites.
ROLLING = frozenset(("sid", "unstable"))
# Their packages declare no accounts in sysusers.d, and their programs are too old to run machines.
OLD = frozenset(("bullseye", "oldoldstable", "bookworm", "oldstable"))
NEWER = "trixie"  # has programs that are new enough
