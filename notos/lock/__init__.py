"""The lock file config.lock, and the resolver that selects package versions for it.

request      the packages that a machine requests
source_record the further archives of a lock
lockfile     the format of config.lock
candidates   the available version of each package
elf_facts    the libraries that a .deb needs and has, cached
dependencies the dependencies that count
resolve      the resolver, from requests to a lock
suites       the system's suite, and that of the tools trees

Modules without a test module of their own name are tested by

    tests/lock/test_resolve.py: dependencies, elf_facts, request
    tests/debian/test_archive.py: candidates
    tests/lock/test_lockfile.py: source_record
"""
