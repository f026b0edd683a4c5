"""The task graph of a machine, for doit: from config.yaml to runvm.sh, in the order of a build."""

from collections.abc import Iterator

from notos.home import in_checkout
from tasks import (
    bench,
    boot_report,
    booting,
    builder,
    checks,
    config,
    folders,
    graph,
    image,
    kernel,
    lock,
    outputs,
    placed,
    programs,
    publish,
    reproducible,
    run_unit,
    running,
    scripts,
    session,
    site,
    stages,
    suites,
    system,
    system_scripts,
    targets,
    testing,
    tools,
    upkeep,
    why,
)
from tasks.fingerprint import Checker
from tasks.reporter import Reporter

# The checks of Notos need its checkout. Other projects have their own tests.
OWN = (
    (
        checks.task_check,
        suites.task_test,
        suites.task_test_machines,
        suites.task_test_gallery,
        suites.task_test_services,
        suites.task_test_kernels,
        suites.task_test_docs,
        suites.task_test_fresh,
        site.task_docs,
        bench.task_bench,
    )
    if in_checkout()
    else (testing.task_test,)
)

STORY = (
    lock.task_lock,
    lock.task_fetch,
    tools.task_tools,
    kernel.task_kernel,
    kernel.task_modules,
    stages.task_extra_utils,
    stages.task_stage1,
    stages.task_stage2,
    run_unit.task_run_unit,
    stages.task_runit,
    system.task_system_path,
    programs.task_programs,
    system_scripts.task_system_scripts,
    placed.task_files,
    placed.task_state,
    system.task_toplevel,
    image.task_initrd,
    image.task_squashfs,
    image.task_runvm,
    booting.task_boot,
    booting.task_repl,
    running.task_ssh,
    running.task_switch,
    running.task_rollback,
    running.task_generations,
    boot_report.task_boot_report,
    publish.task_publish,
    builder.task_builder,
    why.task_why,
    scripts.task_scripts,
    upkeep.task_gc,
    reproducible.task_check_reproducible,
    *OWN,
)

# After runvm, where `list` shows them.
_AT = STORY.index(image.task_runvm) + 1
STORY = (*STORY[:_AT], *outputs.creators(STORY), *STORY[_AT:])

DOIT_CONFIG = {
    "backend": "sqlite3",
    "check_file_uptodate": Checker,
    "cleanforget": True,
    "default_tasks": ["runvm"],
    "dep_file": config.build(".doit.db"),
    "reporter": Reporter,
    "sort": "definition",
    "verbosity": 2,
}


def task_story() -> Iterator[graph.Task]:
    """Yield all tasks. doit would sort creators by line number, which is no order across modules."""
    for creator in STORY:
        yield from graph.named(creator)


session.install(config.FOLDER, targets.sweep, folders.look, folders.make)
