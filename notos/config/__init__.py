"""Configs: config.yaml parsed into a frozen Machine, with every mistake reported at its line.

model                  the frozen structs of a machine
types                  the types of text and number: patterns and descriptions
shapes                 the structs' annotations as data: scalars, structs, lists, maps
yaml_source            YAML into nodes that know their file, line and column
yaml_mistake           explanations of YAML syntax errors
scalars, reader        nodes into values and structs
suggestions            valid values to suggest in place of invalid ones
foreign_keys           keys of other programs' configs, and the keys to use instead
checks, conf_files     rules between keys; sysusers.d and tmpfiles.d files in `etc`
loader                 the entry point: a file, its imports, the Machine
schema                 docs/config.schema.json and the tables of docs/configuration.md
"""
