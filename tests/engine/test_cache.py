import subprocess
import sys

from secgroup.engine.cache import is_compiled, keep_kernels, sources_digest

PROGRAM = """
import sys
from pathlib import Path
from secgroup.engine.cache import keep_kernels
folder = keep_kernels(Path(sys.argv[1]))
import numpy as np
from secgroup.engine.kernels.track import home_of, has_room
assert has_room(np.ones(9, dtype=np.int64)) in (True, False)
print(sum(has_room.stats.cache_hits.values()), folder is not None)
"""


def run(folder) -> str:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)], capture_output=True, text=True, check=True
    )
    assert found.stderr == ""
    return found.stdout.strip()


def test_second_run_finds_what_the_first_compiled(tmp_path):
    assert not is_compiled(tmp_path / "kept")
    assert run(tmp_path / "kept") == "0 True"
    assert is_compiled(tmp_path / "kept")
    assert run(tmp_path / "kept") == "1 True"


def test_where_nothing_can_be_written_nothing_is_kept_and_nothing_said(tmp_path):
    (tmp_path / "file").write_text("")
    assert run(tmp_path / "file") == "0 False"


def test_digest_is_that_of_the_sources():
    assert sources_digest() == sources_digest()
    assert len(sources_digest()) == 32
    assert keep_kernels is not None
