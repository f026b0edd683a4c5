"""Programs of the user (`build`), built from their source with locked dependencies.

kinds             the usual build of each kind of program, and the packages that it needs
checks            rules for the config that depend on the sources
inside            paths that must stay in a source
source            which files of a source count; their hash and a copy
build_tree        the packages of a build, unpacked in the cache
build             the build in a sandbox, and its result
dependencies      the locked dependencies of a program, fetched and laid out
requirements      requirements files of pip
wheels            files of Python packages that fit a machine
python_index      indexes of Python packages, and pip's configuration
python_packages   files of pinned Python packages, chosen and fetched
python            these files in a build
npm_lock          lock files of npm
npm_layout        the folder node_modules
vendoring         modules that cargo and go fetch

Modules without a test module of their own name are tested by

    tests/tasks/test_programs.py: build_tree, python, checks
"""
