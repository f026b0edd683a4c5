"""Publishing: the machine's closure as a binary cache that any Nix can fetch from."""

from pathlib import Path

from tasks import project, reporter
from tasks.graph import Task, action
from tasks.usage import CACHE_FOLDER, KEY, Variable, command, from_caller, usage


def task_publish() -> Task:
    """write the system as a signed binary cache, from which any Nix can fetch it"""
    return {
        "actions": [action(publish)],
        "task_dep": ["toplevel"],
        "meta": usage(CACHE_FOLDER, KEY, example="to=/srv/cache"),
    }


def publish() -> None:
    """Write it, and say by which key it is signed. Raises StoreError."""
    from notos.errors import StoreError
    from notos.store import binary_cache
    from notos.store.signing_key import SigningKey, default_path

    folder, key = _given(CACHE_FOLDER), _given(KEY)
    if folder is None:
        raise StoreError("missing variable: to=DIR", hint=command("publish to=DIR"))
    signer = SigningKey.load(key) if key is not None else SigningKey.ensure(default_path())
    toplevel = project.get("toplevel")
    reporter.show(f"writing {folder} …")
    done = binary_cache.publish(folder, project.STORE, project.STORE.closure([toplevel]), signer)
    reporter.clear()
    print(
        f"{folder} has {toplevel.path} with all that it needs: {done.objects} objects, {done.written} of "
        f"them new ({done.size / 1e6:.1f} MB)\n"
        f"to take from it, in nix.conf: trusted-public-keys = {signer.public}"
    )


def _given(variable: Variable) -> Path | None:
    """Return a path from the command line."""
    said = variable.get()
    return from_caller(said) if said else None
