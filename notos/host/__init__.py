"""The build host: the user's folders, the proxies and the processor.

folders      the user's folders (XDG Base Directory Specification)
proxy        the proxy for a URL
processor    the processor's model name, for reports
utf8         UTF-8 mode, whatever the locale

Modules without a test module of their own name are tested by

    tests/tasks/test_folders.py: folders
    tests/machines/test_boot_report.py: processor
    tests/tasks/test_command_line.py: utf8
"""
