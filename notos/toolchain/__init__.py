"""The programs that a build runs, from Debian packages.

tools_tree     packages unpacked in the cache, run by their own ld.so
sandbox        commands in bubblewrap, with a tools tree as root
fixed_clock    the clock in a sandbox
wheel_program  programs of Python packages
peers          tools trees of reference programs, for tests and benchmarks

Modules without a test module of their own name are tested by

    tests/conftest.py: peers
    tests/tasks/test_system_scripts.py: fixed_clock
    tests/system/test_extra_utils.py: wheel_program
"""
