"""Squashfs 4.0 images: a function of the tree alone.

image    the superblock and the tables
blocks   data blocks and fragments
inodes   inodes and directory entries

Modules without a test module of their own name are tested by

    tests/formats/test_squashfs.py: image, blocks, inodes
"""
