"""Estimates of the files to compile, with makefiles of every form in the kernel."""

from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.kernel.progress import Plan

FILES = {
    "Kbuild": "obj-y += init/\nobj-$(CONFIG_NET) += net/\nobj-$(CONFIG_NO) += no/\n",
    "init/Makefile": """\
obj-y := main.o \\
	version.o
obj-$(CONFIG_A) += a.o
obj-$(CONFIG_B) += b.o  # a module
obj-$(CONFIG_NO) += no.o
ifeq ($(CONFIG_A),y)
obj-y += with-a.o
else
obj-y += without-a.o
endif
ifdef CONFIG_NO
obj-y += with-no.o
endif
quiet_cmd_x = X
	recipe-y: obj-y += recipe.o
""",
    "net/Makefile": "obj-m += net.o\nnet-y := one.o two.o core/three.o\nnet-$(CONFIG_A) += four.o\n",
    "lib/Makefile": "lib-y := $(BITS).o\n",
}
CONFIG = "CONFIG_NET=y\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_NO is not set\n"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    for path, text in FILES.items():
        (tmp_path / "source" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / path).write_text(text)
    (tmp_path / "output/.notos").mkdir(parents=True)
    return Plan(tmp_path / "source", tmp_path / "output", CONFIG, AMD64)


INIT = {"init/main.o", "init/version.o", "init/a.o", "init/b.o", "init/with-a.o"}
NET = {"net/one.o", "net/two.o", "net/core/three.o", "net/four.o"}


def test_objects_in_makefiles(plan: Plan) -> None:
    assert plan.named == INIT | NET | {"lib/64.o"}
    assert plan.total == 10


def compiled(plan: Plan, *, but: tuple[str, ...] = ()) -> None:
    """Write the files that a build leaves: a .cmd file with options for each object."""
    for each in plan.named - set(but):
        folder, _, name = each.rpartition("/")
        (plan.output / folder).mkdir(parents=True, exist_ok=True)
        touched = "$(wildcard include/config/A)" if name in ("a.o", "with-a.o") else ""
        (plan.output / folder / f".{name}.cmd").write_text(f"deps := {touched} x.h\n")
    (plan.output / "include/config").mkdir(parents=True)
    (plan.output / "include/config/auto.conf").write_text(CONFIG)


def again(plan: Plan, config: str) -> int:
    return Plan(plan.source, plan.output, config, AMD64).total


def test_an_interrupted_build(plan: Plan) -> None:
    compiled(plan, but=("net/two.o", "init/b.o"))
    plan._note.write_text("\n".join(sorted(plan.named - {"net/two.o", "init/b.o"})))
    assert again(plan, CONFIG) == 2


def test_a_changed_option(plan: Plan) -> None:
    compiled(plan)
    plan.note()
    assert again(plan, CONFIG) == 0
    assert (
        again(plan, CONFIG.replace("CONFIG_A=y", "CONFIG_A=m")) == 3
    )  # two that depend on it, and without-a.o
    assert again(plan, CONFIG + "CONFIG_C=y\n") == 0
