"""Kernels: Debian's or built from source; their configuration and their modules.

package        the contents of a kernel package
bzimage        the header of vmlinuz
vmlinux        the ELF file inside vmlinuz
requirements   the kernel symbols that a machine needs
modules        modules with their dependencies
purposes       modules by purpose
source         an unpacked and patched source
kconfig        configurations, compared with the requested symbols
kbuild         make, in a sandbox
progress       estimate of the number of files to compile

Modules without a test module of their own name are tested by

    tests/kernel/test_modules.py: package, requirements
    tests/system/test_extra_utils.py: bzimage, vmlinux
"""
