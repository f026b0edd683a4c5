"""Squashfs 4.0 images: a function of the tree alone.

image    the superblock and the tables
blocks   data blocks and fragments
inodes   inodes and directory entries
"""
