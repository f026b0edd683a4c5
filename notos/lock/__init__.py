"""Which version of which package: config.lock, and how it is resolved.

request      what a machine asks for
lockfile     config.lock
candidates   the packages of the archive to choose from
elf_facts    the libraries that a .deb's programs need, cached
resolve      requests into a lock

Modules without a test module of their own name are tested by

    tests/lock/test_resolve.py: elf_facts, request
    tests/debian/test_archive.py: candidates
"""
