"""Verified packages from a signed Debian archive, and their files as trees.

apt             the mirrors and proxies in the configuration of this host's apt
mirror          the mirrors of the archive
download        resumable and verified downloads
network_errors  network errors as one-line messages
deb822          paragraphs of fields, deb822(5)
keyring         files of keys, and which archive they may sign
release         InRelease and its signature; keys/ has the certificates
seen_releases   the dates of indexes that this host has seen
package         one version of a package
suites          names of suites that need special care
distribution    how Ubuntu differs from Debian
index           the packages of a component
signed_suite    a suite and its indexes, verified
policy          the packages that a source may provide, and their priority
archive_part    an index with its policy
further_sources the archives and suites in debian.sources
contents        the packages that have a file, by Contents files
local_debs      the .deb files that a config names
known_debs      their names, kept in the cache
archive         all available packages
relation        versions and dependencies (deb-version(7), Debian policy 7.1)
similar_names   suggestions for a package name that does not exist
deb, unpack     .deb files as usr-merged trees
merge           paths that several packages have
kinds           kinds of files that most machines do not need
shell           a parser of shell scripts
shell_values    patterns and test(1)
shell_calls     the commands that a script would run
command_words   options and arguments of a command
modes           modes and owners that a command gives
script_files    the files that a script sees and makes
script_commands the commands on files that a script calls
text_filters    grep, sed, sort and the like
web_modules     the programs that enable modules of Apache, PHP and lighttpd
debconf         the answers to a package's questions
name_sources    the sources of name lookups before NSS modules add theirs
configure_order the order in which dpkg configures packages
maintainer_scripts   the commands of a package's scripts

Modules without a test module of their own name are tested by

    tests/debian/test_archive.py: index, package, release, suites
    tests/debian/test_further_sources.py: archive_part, keyring, policy, seen_releases, signed_suite
    tests/test_packages_from_anywhere.py: distribution, local_debs
    tests/debian/test_download.py: network_errors
    tests/debian/test_unpack.py: kinds
    tests/debian/test_maintainer_scripts.py: shell_calls, shell_values, command_words
    tests/integration/test_made.py: script_commands, script_files, name_sources
"""
