"""A writer of squashfs 4.0 images. An image depends on the tree alone.

image    the superblock and the layout of the image
blocks   data blocks and fragments
inodes   inodes and directory listings
"""
