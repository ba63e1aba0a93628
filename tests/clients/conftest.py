"""An endpoint of its own for each module, and what clients are run with."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tools.clients import FOLDER

from tests.cli.test_serve import serving

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with serving("--store", ":memory:", "--access-log", os.devnull) as (url, _):
        yield url


@pytest.fixture(scope="module")
def run(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a program of a client, with this endpoint as its whole AWS; it must succeed."""
    folder = tmp_path_factory.mktemp("client")

    def run(
        client: str, arguments: Sequence[str | Path], **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(each) for each in arguments],
            capture_output=True,
            text=True,
            timeout=240,
            cwd=folder,
            env={
                "PATH": f"{FOLDER / client / 'bin'}:{os.environ['PATH']}",
                "HOME": str(folder),
                "LANG": "C.UTF-8",
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_ACCESS_KEY_ID": "any",
                "AWS_SECRET_ACCESS_KEY": "any",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_PAGER": "",
                **environment,
            },
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run
