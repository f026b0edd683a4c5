"""Debian's suites by name: those that need special care."""

# Without separate updates and security suites.
ROLLING = frozenset(("sid", "unstable"))
# Packages declare no accounts in sysusers.d.
OLD = frozenset(("bullseye", "oldoldstable", "bookworm", "oldstable"))
# openssh-client has ssh-keygen; in newer suites openssh-common has it.
ONE_OPENSSH = OLD | {"trixie", "stable"}
# The suite of the programs that the build runs, by default.
TOOLS = "trixie"
