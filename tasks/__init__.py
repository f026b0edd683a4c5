"""The graph: one module per stop on the way from config.yaml to runvm.sh; the only code that knows doit."""
