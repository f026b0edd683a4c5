"""The library of Notos, one module per noun. It never imports doit or tasks/."""

__version__ = "0.1.0"
