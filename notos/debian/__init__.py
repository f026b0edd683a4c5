"""Verified packages from a signed Debian archive, and their files as trees.

mirror          the mirrors of the archive
download        resumable and verified downloads
network_errors  network errors as one-line messages
release         InRelease and its signature; keys/ has the certificates
archive, index  the packages of a suite
relation        versions and dependencies (deb-version(7), Debian policy 7.1)
similar_names   suggestions for a package name that does not exist
deb, unpack     .deb files as usr-merged trees
"""
