"""The machinery of Notos, one module per noun. It never imports doit or tasks/."""
