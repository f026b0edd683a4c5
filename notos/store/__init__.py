"""Nix store objects: made, verified, exported, signed and compared.

store_path      the path of an object, as Nix computes it
store           objects on disk, their manifests and their closures
export          the format of nix-store --export
binary_cache    a signed binary cache (narinfo and NAR files)
signing_key     its ed25519 keys
difference      the first difference between two builds

Modules without a test module of their own name are tested by

    tests/store/test_store.py: store_path
"""
