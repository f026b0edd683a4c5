"""The machinery of Notos, one module per noun. It never imports doit or tasks/.

Modules without a test module of their own name are tested by

    tests/test_notos.py: __main__, home
    tests/config/test_loader.py: errors
"""

__version__ = "0.1.0"
