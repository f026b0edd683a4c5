"""Benchmarks for the figures in docs/performance.md; `./doit bench` runs them."""
