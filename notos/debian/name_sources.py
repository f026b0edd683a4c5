"""The machine's nsswitch.conf(5) as it is before the scripts of NSS modules (libnss-*) add theirs."""

PATH = "etc/nsswitch.conf"
TEXT = """\
# Sources of name lookups (nsswitch.conf(5)): files, then DNS. None needs a daemon.
passwd:    files
group:     files
shadow:    files
hosts:     files dns
networks:  files
protocols: files
services:  files
"""
