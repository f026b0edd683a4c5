"""The figures that docs/performance.md quotes, each measured by one command: ./doit bench."""
