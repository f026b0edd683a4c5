"""Garbage collection in the build folder."""

from pathlib import Path

from tasks import project, session
from tasks.config import FOLDER
from tasks.graph import Task, action
from tasks.usage import usage


def task_gc() -> Task:
    """remove store objects and files that no task uses any more"""
    return {"actions": [action(collect)], "meta": usage()}


def collect() -> None:
    """Remove the objects outside the closures of all manifests, and print their number and size."""
    from notos.atomic import leftovers, remove_folder
    from notos.store.store import StoreObject

    targets = {target for task in session.tasks().values() for target in task.targets}
    for path in Path(FOLDER, "manifests").glob("*"):  # of renamed tasks, and of tasks that this config lacks
        if str(path) not in targets:
            path.unlink()
    # Outputs of extensions that this config lacks, and of killed builds.
    for path in Path(FOLDER, "outputs").glob("*"):
        if not any(Path(target).is_relative_to(path) for target in targets):
            remove_folder(path)
    for path in Path(FOLDER).glob(".*"):  # by a build that was killed; no other is at work
        if path.name not in (".lock", ".doit.db", ".doit.db-journal"):
            remove_folder(path) if path.is_dir() else path.unlink()
    roots = [StoreObject.from_json(path.read_bytes()) for path in Path(FOLDER, "manifests").glob("*.json")]
    used = {each.path for each in project.STORE.closure(roots)}
    unused = [each for each in project.STORE.objects() if each.path not in used]
    for each in unused:
        project.STORE.remove(each)
    for left in leftovers(project.STORE.root):  # by a build that was killed; no other is at work
        remove_folder(left)
    size = sum(each.nar_size for each in unused)
    print(f"removed {len(unused)} store objects, {size / 1e6:.1f} MB; {len(used)} are in use")
