"""The programs that a build runs, from Debian packages.

tools_tree   packages unpacked in the cache, run by their own ld.so
sandbox      commands in bubblewrap, with a tools tree as root
peers        tools trees of reference programs, for tests and benchmarks
"""
