"""The least memory with which a machine boots."""

LEAST = 48
