"""The build host: the user's folders and settings, proxies, apt.

folders      the user's folders (XDG Base Directory Specification)
settings     host.yaml and the environment: mirrors, jobs, ccache
apt          the mirrors and proxies in apt's configuration
proxy        the proxy for a URL
processor    the processor's model name, for reports
utf8         UTF-8 mode, whatever the locale
"""
