"""A machine with compilers, make and pkg-config."""

from tests.gallery.machines import Gallery

HELLO_C = """
#include <math.h>
#include <stdio.h>
int main(int argc, char **argv) { (void)argv; printf("%.3f\\n", cos(argc - 1)); return 0; }
"""
HELLO_CXX = """
#include <iostream>
#include <vector>
int main() { for (int each : std::vector<int>{1, 2, 3}) std::cout << each; std::cout << std::endl; }
"""
PNG_C = """
#include <png.h>
#include <stdio.h>
int main(void) { puts(png_get_libpng_ver(NULL)); return 0; }
"""
MAKEFILE = """
png: png.c
\t$(CC) $(CFLAGS) -o $@ $< $$(pkg-config --cflags --libs libpng)
"""


def test_programs_compile_and_run(gallery: Gallery) -> None:
    machine = gallery("gcc")
    files = {"hello.c": HELLO_C, "hello.cc": HELLO_CXX, "png.c": PNG_C, "Makefile": MAKEFILE}
    for name, text in files.items():
        machine.succeed(f"cat >/tmp/{name} <<'END'\n{text}END\n")
    assert (
        machine.succeed("cd /tmp && gcc -Wall -Werror -O2 hello.c -lm && ./a.out", seconds=120) == "1.000\n"
    )
    gallery.works(machine)
    assert machine.succeed("cd /tmp && g++ -Wall -o cxx hello.cc && ./cxx", seconds=240) == "123\n"
    assert machine.succeed("cd /tmp && make -s && ./png", seconds=120).startswith("1.6.")
    # cc, c++ and c89 are alternatives.
    machine.succeed("cd /tmp && cc -static -o static hello.c -lm && ./static && c++ --version", seconds=120)
