"""Nix store objects: creation, verification, export, signatures and comparison.

store_path      computation of store paths, as in Nix
store           objects on disk, their manifests and closures
export          the format of nix-store --export
binary_cache    a signed binary cache (narinfo and NAR files)
signing_key     the ed25519 key of a binary cache
difference      the first difference between two builds

Modules without a test module of their own name are tested by

    tests/store/test_store.py: store_path
"""
