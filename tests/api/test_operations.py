"""What is served, and the page that says so."""

from pathlib import Path

from tools import endpoint_operations

from secgroup.api.model import ec2
from secgroup.api.operations import OPERATIONS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "endpoint-operations.md"


def test_what_is_served_is_ec2s() -> None:
    assert set(OPERATIONS) <= set(ec2().operations)


def test_page_of_operations_is_as_generated() -> None:
    assert PAGE.read_text() == endpoint_operations.page(), endpoint_operations.__doc__
