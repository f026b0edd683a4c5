"""This host: its folders, settings, proxies and apt, as the build reads them.

folders      the user's folders (XDG Base Directory Specification)
settings     host.yaml and the environment: mirrors, jobs, ccache
apt          the mirrors and proxies that apt is configured with
proxy        the proxy of a request
processor    the processor's name, for reports
utf8         UTF-8 as the encoding of all files
"""
