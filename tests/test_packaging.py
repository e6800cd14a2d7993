"""The wheel: what is in it, how large it is, and that it works installed alone, without a checkout beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tau2tui import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
MOST_BYTES = 1_000_000
SECTIONS = (
    *("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "CONFIGURATION", "ENVIRONMENT", "EXIT STATUS"),
    *("FILES", "SEE ALSO"),
)
"""Of the manual, as man-pages(7) has them."""


def run(*argv: str | Path, cwd: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command without this checkout on its path."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(word) for word in argv]
    completed = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert completed.returncode == status, completed.stdout + completed.stderr
    return completed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git knows and what is new, by the build backend that is installed."""
    directory = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-q")
    run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", directory, ROOT, cwd=directory)
    (found,) = directory.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of programs of an environment that holds the wheel and what it says that it needs.

    The package index is asked, as scripts/setup does; versions are those of the lock.
    """
    directory = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", directory, cwd=directory)
    binaries = directory / "bin"
    options = ("-q", "--no-compile", "--disable-pip-version-check", "--constraint", ROOT / "requirements.lock")
    run(binaries / "python", "-m", "pip", "install", *options, wheel, cwd=directory)
    return binaries


def test_the_wheel_is_small_and_holds_all_data_of_the_package_and_nothing_else(wheel: Path) -> None:
    assert wheel.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "tau2tui"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    expected = {name for name in listed if name and (ROOT / name).is_file()}
    assert {name for name in names if not name.startswith("tau2tui-")} == expected | {"tau2tui/config.toml"}
    assert {Path(name).suffix for name in expected} >= {".py", ".tcss", ".toml", ".j2", ".jinja"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert f"tau2tui-{__version__}.data/data/share/man/man1/tau2tui.1" in names


def test_version_and_requirements_of_the_wheel_are_those_of_the_project(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        said = metadata.PathDistribution(zipfile.Path(archive, name.removesuffix("METADATA"))).metadata
    assert said["Version"] == project["version"] == __version__
    assert said["Requires-Python"] == ">=3.11"
    assert set(said.get_all("Provides-Extra") or ()) == {"eval", "serve", "web", "dev"}
    required = " ".join(said.get_all("Requires-Dist") or ())
    assert all(extra in required for extra in ('extra == "eval"', 'extra == "serve"')) or "extra == 'eval'" in required


def test_the_manual_is_found_by_who_finds_the_program_and_warns_of_nothing(installed: Path, tmp_path: Path) -> None:
    """man looks in share/man beside every bin of PATH."""
    program = shutil.which("man")
    assert program, "man-db is needed, see scripts/debian-packages"
    places = os.pathsep.join((str(installed), os.environ["PATH"]))
    words = ["env", "--unset=MANPATH", f"PATH={places}", "LC_ALL=C.UTF-8", "MANWIDTH=80", "MAN_KEEP_FORMATTING="]
    (found,) = run(*words, program, "-w", "tau2tui", cwd=tmp_path).stdout.split()
    assert Path(found).resolve() == installed.parent.resolve() / "share/man/man1/tau2tui.1"
    shown = run(*words, program, "--warnings", "tau2tui", cwd=tmp_path)
    assert shown.stderr == ""
    lines = [line.rstrip() for line in shown.stdout.splitlines()]
    assert [lines.index(head) for head in SECTIONS] == sorted(lines.index(head) for head in SECTIONS)
    assert "       tau2tui relaunch --job oss_eval_node2 --exclude gpu07" in lines


def test_it_works_installed_alone(installed: Path, tmp_path: Path) -> None:
    tau2tui = installed / "tau2tui"
    where = run(installed / "python", "-c", "import tau2tui; print(tau2tui.__file__)", cwd=tmp_path).stdout
    assert where.startswith(str(installed.parent)), where
    assert run(tau2tui, "--version", cwd=tmp_path).stdout == f"tau2tui, version {__version__}\n"
    assert "Operate tau2-bench" in run(tau2tui, "--help", cwd=tmp_path).stdout
    run(tau2tui, "init", cwd=tmp_path)
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace('"~/tau2tui-runs"', f'"{tmp_path}/runs"'))
    assert "16 replicas" in run(tau2tui, "plan", "--offline", cwd=tmp_path).stdout
    config.write_text(config.read_text().replace('scheduler = "slurm"', 'scheduler = "local"'))
    seen = run(tau2tui, "--run", "none", "status", cwd=tmp_path, status=7)
    assert seen.stderr.count("\n") == 1 and "no run 'none'" in seen.stderr
    assert "unrecognized arguments" in run(tau2tui, "diagnose", "--signatures", cwd=tmp_path).stdout
    imported = run(tau2tui, "import", ROOT / "tests" / "data" / "seed", "--into", "made", cwd=tmp_path)
    assert "wrote" in imported.stdout
    assert "complete" in run(tau2tui, "completion", "bash", cwd=tmp_path).stdout


def test_the_extras_can_be_resolved(wheel: Path, tmp_path: Path) -> None:
    """`eval` is in the lock as it is asked for; `serve` asks for a package and a version that the index has."""
    locked = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert all(requirement in locked for requirement in project["optional-dependencies"]["eval"])
    served = project["optional-dependencies"]["serve"][0].partition(";")[0]
    options = (
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dry-run",
        "-q",
        "--disable-pip-version-check",
        "--target",
        tmp_path,
    )
    run(sys.executable, "-m", "pip", "install", *options, served, cwd=tmp_path)
