"""Configs: config.yaml parsed into a frozen Machine, with every mistake reported at its line.

model                  Machine, all keys of a config
structs                a package of its structs by area
setting                the fields of structs, with their descriptions
value_types, types     the types of text and number: names; patterns and descriptions
shapes                 the structs' annotations as data: scalars, structs, lists, maps
yaml_source            nodes that know their file, line and column; problems
composer               YAML into nodes
yaml_mistake           explanations of YAML syntax errors
scalars, reader        nodes into values and structs
suggestions            messages that suggest a valid value in place of an invalid one
fitting, samples       the value that was probably meant; a sample of each shape
foreign_keys           keys of other programs' configs, and the keys to use instead
host_settings          host.yaml: the user's settings for this host
checks                 rules between keys that belong to no feature
extensions             the key `extensions`: settings whose shapes are in the project's own code
loader                 a file, its imports, the Machine; notos.loader adds the features' rules
package_lists          all lists of packages in a config
schema                 docs/config.schema.json and the tables of docs/configuration.md

Modules without a test module of their own name are tested by

    tests/config/test_loader.py: model, setting, value_types, types, shapes, reader, scalars, checks
    tests/config/test_yaml_source.py: composer, yaml_mistake
    tests/config/test_suggestions.py: fitting, samples, foreign_keys
    tests/features/test_extensions.py: extensions
    tests/debian/test_mirror.py: host_settings
"""
