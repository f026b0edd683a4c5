"""A signed Debian archive into verified packages, and packages into trees.

mirror          which mirrors serve the archive
download        downloads, resumed and verified
network_errors  errors of the network in one line
release         InRelease and its signature; keys/ has the certificates
archive, index  the packages of a suite
relation        versions and dependencies (deb-version(7), Debian policy 7.1)
similar_names   names like one that does not exist
deb, unpack     .deb files into trees, usr-merged
"""
