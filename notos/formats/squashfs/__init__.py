"""A writer of squashfs 4.0 images. An image depends on the tree alone.

image    the superblock and the layout of the image
blocks   data blocks and fragments
inodes   inodes and directory listings

Modules without a test module of their own name are tested by

    tests/formats/test_squashfs.py: image, blocks, inodes
"""
