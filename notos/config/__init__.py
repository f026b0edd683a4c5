"""config.yaml into a frozen Machine: what a config may say, and every mistake in it with its line.

model                  the frozen structs of a machine
types                  each type of text: its pattern and its description
shapes                 the structs' annotations as data: scalars, structs, lists, maps
yaml_source            nodes that know their file, line and column; problems
composer               YAML into nodes
yaml_mistake           the likely mistake behind YAML that cannot be parsed
scalars, reader        nodes into values and structs
suggestions, fitting, samples   a right value in place of a wrong one, for messages
foreign_keys           keys of other programs' configs, and ours in their place
host_settings          host.yaml: the user's settings of this host
checks                 rules between keys that are of no feature
loader                 files, imports and layers: the whole way; notos.loader adds the features' rules
schema                 docs/config.schema.json and the tables of docs/configuration.md

Modules without a test module of their own name are tested by

    tests/config/test_loader.py: model, types, shapes, reader, scalars, checks
    tests/config/test_yaml_source.py: composer, yaml_mistake
    tests/config/test_suggestions.py: fitting, samples, foreign_keys
    tests/debian/test_mirror.py: host_settings
"""
