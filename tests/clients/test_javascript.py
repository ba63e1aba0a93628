"""The AWS SDK for JavaScript: commands, paginators, waiters, errors by name."""

import json
from pathlib import Path

import pytest
from tools.clients import FOLDER

from tests.clients.conftest import Run

pytestmark = pytest.mark.needs("javascript")

SCRIPT = Path(__file__).with_name("group.mjs")


def test_script_makes_finds_and_is_refused(run: Run) -> None:
    done = run("javascript", ["node", SCRIPT, FOLDER / "javascript"], AWS_REGION="us-east-1")
    told = json.loads(done.stdout)
    assert [told["made"], False, "2001:db8::/32"] in told["rules"]
    assert {"default", "script"} <= set(told["names"])
    assert told["refusal"] == "InvalidGroupId.Malformed"
