"""doit check-reproducible: the default machine passes, and a build that depends on its folder fails."""

import shutil
from pathlib import Path

from tests.conftest import Project, copy_project


def test_the_default_machine_is_the_same_anywhere(built: Project) -> None:
    """The second build has another folder, user, host name, umask, locale, time, processors and order."""
    said = built.doit("check-reproducible").stdout.splitlines()[-1]
    assert said.startswith("reproducible: ")
    assert said.endswith("build/notos/root.squashfs")
    assert int(said.split()[1]) > 20


def test_the_first_difference_is_named(built: Project, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "notos")
    shutil.copy(project.root / "examples/minimal.yaml", project.root / "config.yaml")
    path = project.root / "tasks/stages.py"
    path.write_text(
        path.read_text().replace(
            'project.add("stage2", "stage-2", tree)',
            'import os\n    tree.text("built", f"in {os.getcwd()}")\n'
            '    project.add("stage2", "stage-2", tree)',
        )
    )
    done = project.doit("check-reproducible", check=False)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert "not reproducible: build/minimal/manifests/stage2.json: built differs at byte" in line
    other = Path(line.rpartition(" is in ")[2])
    assert (other / "build/minimal/manifests/stage2.json").exists()
    shutil.rmtree(other.parents[3], ignore_errors=True)
