"""Publishing: the machine's closure as a binary cache that any Nix can fetch from."""

from pathlib import Path

from doit import get_var

from tasks import project, reporter
from tasks.graph import Task, from_caller, step


def task_publish() -> Task:
    """write the closure of the toplevel as a signed Nix binary cache: doit publish to=DIR [key=FILE]"""
    return {
        "actions": [step(publish)],
        "task_dep": ["toplevel"],
        "meta": {"quiet": True},
    }


def publish() -> None:
    """Write it, and say by which key it is signed. Raises StoreError."""
    from notos import binary_cache
    from notos.errors import StoreError
    from notos.signing_key import SigningKey, default_path

    folder, key = _given("to"), _given("key")
    if folder is None:
        raise StoreError("where to is not said", hint="doit publish to=DIR")
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


def _given(name: str) -> Path | None:
    """A path from the command line."""
    said = get_var(name)
    return from_caller(said) if said else None
