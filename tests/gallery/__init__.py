"""The machines in examples/machines, built, booted and used (./doit test-gallery)."""
