"""File trees, and the file formats that they are read from and written to.

tree               files, links and folders in memory
tar, xz            read by debian/deb and kernel/source
elf                the parts of an ELF file that linking needs
shared_libraries   the libraries that programs of a tree load (ld.so(8))
nar                Nix archives
cpio               newc archives, for the initrd
squashfs/          squashfs images
piece_cache        compressed pieces of an output, reused by the next build

Modules without a test module of their own name are tested by

    tests/store/test_store.py: nar
"""
