"""Compiled kernels between runs. Each run is a process of its own, of a package made for it."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import secgroup
from secgroup.engine.cache import kernels_digest, sources

#: Compiles two kernels, of which one calls the other; prints how often the cache had them, the
#: answer, what the watcher was told, and the folder.
PROGRAM = """
import sys
from pathlib import Path
from secgroup.engine.cache import keep_kernels
told = []
folder = keep_kernels(Path(sys.argv[1]), lambda compiled, of: told.append(compiled))
import numpy as np
from secgroup.engine.kernels.outer import outer
answer = outer(np.ones(1, dtype=np.int64))
print(sum(outer.stats.cache_hits.values()), answer, told, folder is not None)
"""
INNER = """
from secgroup.engine.kernels import kernel
from secgroup.numbers import ADDED

@kernel
def inner(values):
    return values[0] + ADDED
"""
OUTER = """
from secgroup.engine.kernels import kernel
from secgroup.engine.kernels.inner import inner

@kernel
def outer(values):
    return inner(values) + 1
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with the real cache and its own kernels."""
    real, made = Path(secgroup.__file__).parent, tmp_path / "src" / "secgroup"
    kernels = made / "engine" / "kernels"
    kernels.mkdir(parents=True)
    for folder in (made, made / "engine"):
        (folder / "__init__.py").write_text("")
    shutil.copy(real / "engine" / "cache.py", made / "engine")
    shutil.copy(real / "engine" / "kernels" / "__init__.py", kernels)
    (made / "numbers.py").write_text("ADDED = 10")
    (made / "elsewhere.py").write_text("NOTHING = 0")
    (kernels / "inner.py").write_text(INNER)
    (kernels / "outer.py").write_text(OUTER)
    return made


def start(package: Path, root: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-B", "-c", PROGRAM, str(root)],
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process: "subprocess.Popen[str]") -> str:
    found, complaint = process.communicate(timeout=120)
    assert complaint == ""
    assert process.returncode == 0
    return found.strip()


def run(package: Path, root: Path) -> str:
    return output(start(package, root))


COMPILED = "0 12 [0, 0, 1, 2] True"
FOUND = "1 12 [] True"


def test_second_start_finds_what_the_first_compiled(package, tmp_path):
    assert run(package, tmp_path / "kept") == COMPILED
    assert run(package, tmp_path / "kept") == FOUND


def test_times_of_files_and_other_modules_do_not_matter(package, tmp_path):
    assert run(package, tmp_path / "kept") == COMPILED
    (package / "elsewhere.py").write_text("NOTHING = 1")
    os.utime(package / "engine" / "kernels" / "outer.py", (1, 1))
    assert run(package, tmp_path / "kept") == FOUND


@pytest.mark.parametrize(
    ("path", "old", "new", "answer"),
    [
        ("engine/kernels/inner.py", "values[0] + ADDED", "values[0] + ADDED + 100", 112),
        ("engine/kernels/outer.py", "+ 1", "+ 2", 13),
        ("numbers.py", "10", "20", 22),
    ],
)
def test_edited_kernel_callee_or_number_in_another_file_counts(
    package, tmp_path, path, old, new, answer
):
    assert run(package, tmp_path / "kept") == COMPILED
    (package / path).write_text((package / path).read_text().replace(old, new))
    assert run(package, tmp_path / "kept") == COMPILED.replace("12", str(answer))
    assert run(package, tmp_path / "kept") == FOUND.replace("12", str(answer))


def test_two_at_once_are_both_right_and_leave_what_a_third_finds(package, tmp_path):
    both = [start(package, tmp_path / "kept") for _ in range(2)]
    assert all(output(each).split()[1] == "12" for each in both)
    assert run(package, tmp_path / "kept") == FOUND


def test_damaged_code_is_compiled_again(package, tmp_path):
    assert run(package, tmp_path / "kept") == COMPILED
    files = [each for each in (tmp_path / "kept").rglob("*") if each.is_file()]
    assert {each.suffix for each in files} == {".nbi", ".nbc"}
    for damaged in ({".nbi"}, {".nbc"}, {".nbi", ".nbc"}):
        for file in files:
            if file.suffix in damaged:
                file.write_bytes(file.read_bytes()[:9])
        assert run(package, tmp_path / "kept").split()[1] == "12"
        assert run(package, tmp_path / "kept") == FOUND


def test_where_nothing_can_be_written_nothing_is_kept_and_nothing_said(package, tmp_path):
    (tmp_path / "file").write_text("")
    assert run(package, tmp_path / "file") == "0 12 [] False"
    assert run(package, Path("/proc/kept")) == "0 12 [] False"


def test_where_others_may_write_nothing_is_trusted(package, tmp_path):
    assert run(package, tmp_path / "kept") == COMPILED
    (folder,) = (tmp_path / "kept").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o770)
    assert run(package, tmp_path / "kept") == "0 12 [] False"


def test_newest_folders_stay_and_nothing_else_is_touched(package, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "notes").mkdir()
    old = [kept / f"{number:032x}" for number in range(6)]
    for age, folder in enumerate(old):
        folder.mkdir()
        (folder / "outer.nbi").write_text("")
        os.utime(folder, (time.time() - 1000 * (age + 1),) * 2)
    assert run(package, kept) == COMPILED
    left = {each.name for each in kept.iterdir()}
    assert {"notes", *(each.name for each in old[:3])} < left
    assert len(left) == 5


def test_sources_are_all_that_the_kernels_load():
    """An import that the digest misses would let old code stay; one too many costs little."""
    program = """
import importlib, pathlib, pkgutil, sys
import secgroup.engine.kernels as kernels
for each in pkgutil.iter_modules(kernels.__path__):
    importlib.import_module(f"{kernels.__name__}.{each.name}")
for name, module in sys.modules.items():
    if name.startswith("secgroup"):
        print(module.__file__)
"""
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(map(Path, found.stdout.split()))
    # Packages that are passed on the way hold nothing but their docstring, or are the surface.
    on_the_way = {each for each in loaded - sources() if each.name == "__init__.py"}
    assert loaded - sources() == on_the_way
    for each in on_the_way:
        if each.parent.name != "secgroup":
            assert "import" not in each.read_text()
    assert not any("replay" in each.parts or "cli" in each.parts for each in sources())


def test_digest_is_short_and_steady():
    assert kernels_digest() == kernels_digest()
    assert len(kernels_digest()) == 32
