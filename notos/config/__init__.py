"""config.yaml into a frozen Machine: what a config may say, and every mistake in it with its line.

model                  the frozen structs of a machine
types                  each type of text: its pattern and its description
shapes                 the structs' annotations as data: scalars, structs, lists, maps
yaml_source            YAML into nodes that know their file, line and column
yaml_mistake           the likely mistake behind YAML that cannot be parsed
scalars, reader        nodes into values and structs
suggestions            an example of each shape, for messages
foreign_keys           keys of other programs' configs, and ours in their place
checks                 rules between keys that are of no feature
extensions             the key `extensions`: settings whose shapes are in the project's own code
loader                 files, imports and layers: the whole way; notos.loader adds the features' rules
schema                 docs/config.schema.json and the tables of docs/configuration.md
"""
