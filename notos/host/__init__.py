"""This host: its folders, proxies and processor, as the build reads them.

folders      the user's folders (XDG Base Directory Specification)
proxy        the proxy of a request
processor    the processor's name, for reports
utf8         UTF-8 as the encoding of all files

Modules without a test module of their own name are tested by

    tests/tasks/test_folders.py: folders
    tests/machines/test_boot_report.py: processor
    tests/tasks/test_command_line.py: utf8
"""
