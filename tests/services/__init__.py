"""Daemons of Debian by their own units, each started, reloaded, stopped (./doit test-services)."""
