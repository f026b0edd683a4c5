"""A signed Debian archive into verified packages, and packages into trees.

apt             the mirrors and proxies of this host's apt
mirror          which mirrors serve the archive
download        downloads, resumed and verified
network_errors  errors of the network in one line
deb822          paragraphs of fields, deb822(5)
release         InRelease and its signature; keys/ has the certificates
package         one version of a package
archive, index  the packages of a suite
relation        versions and dependencies (deb-version(7), Debian policy 7.1)
similar_names   names like one that does not exist
deb, unpack     .deb files into trees, usr-merged

Modules without a test module of their own name are tested by

    tests/debian/test_archive.py: index, package, release
    tests/debian/test_download.py: network_errors
"""
