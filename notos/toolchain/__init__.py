"""The programs that a build runs, from Debian packages.

tools_tree     packages unpacked in the cache, run by their own loader
sandbox        commands in bubblewrap, without network, with a tools tree as root
wheel_program  programs that come with Python packages
peers          tools trees of other programs, for tests and benchmarks

Modules without a test module of their own name are tested by

    tests/conftest.py: peers
"""
