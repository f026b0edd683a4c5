"""File trees, and readers and writers of file formats for them.

names              names of files as text
c_escapes          escapes of C in systemd's files
tree               files, links and folders in memory
usr_merge          /bin/x and /usr/bin/x as one path
tar, xz            readers, for debian/deb and kernel/source
elf                the parts of an ELF file that linking needs
shared_libraries   the libraries that programs in a tree load (ld.so(8))
linker_script      libraries that are linker scripts
library_cache      ld.so.conf and ld.so.cache
x509               certificates and their hashes
java_keystore      a writer of Java's keystores
nar                Nix archives
cpio               a writer of newc archives, for the initrd
squashfs/          a writer of squashfs images
times              modification times that follow from contents
piece_cache        compressed parts of an output, reused by the next build

Modules without a test module of their own name are tested by

    tests/store/test_store.py: nar
    tests/formats/test_tree.py: names, usr_merge
    tests/system/test_certificates.py: x509
    tests/formats/test_shared_libraries.py: linker_script
"""
