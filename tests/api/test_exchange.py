"""A request from its octets to its answer, without a server."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from secgroup.api import app as app_module
from secgroup.api import exchange as exchange_module
from secgroup.api.app import body_of
from secgroup.api.errors import FAULTS
from secgroup.api.exchange import Door, Exchange, respond
from secgroup.api.request import Request
from secgroup.control.beginning import begin
from secgroup.control.endpoint import Endpoint
from secgroup.errors import DataPlaneError, Ec2Error, InternalError, OutputError
from tests.support.worlds import ACCOUNT, Memory, new_state

DOOR = Door(credentials=None, account_id=ACCOUNT, loopback_only=False)
FORM = ("content-type", "application/x-www-form-urlencoded; charset=utf-8")


def answered(
    query: str = "",
    body: str = "",
    *,
    method: str = "POST",
    header: tuple[str, str] = FORM,
) -> Exchange:
    request = Request(
        method=method,
        path="/",
        query=query,
        headers=[("host", "localhost"), header],
        body=body.encode(),
        now=datetime.now(UTC),
    )
    exchange = Exchange(request=request)
    respond(exchange, Endpoint(state=new_state(), store=Memory(), begin=begin), DOOR)
    return exchange


VERSION = "Version=2016-11-15"


@pytest.mark.semantics("ec2-error-actions")
@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"body": VERSION}, "missing_action"),
        ({"body": f"Action=&{VERSION}"}, "missing_action"),
        ({"body": "Action=DescribeVpcs"}, "missing_version"),
        ({"body": "Action=DescribeVpcs&Version=2010-01-01"}, "no_such_version"),
        ({"body": f"Action=DescribeVpc&{VERSION}"}, "no_such_action"),
        ({"body": "Action=DescribeVpcs&Version=2011-06-15"}, "no_such_action"),
        ({"body": f"Action=DescribeSpotPriceHistory&{VERSION}"}, "action_not_served"),
        ({"body": "Action=AssumeRole&Version=2011-06-15"}, "action_not_served"),
        ({"query": f"Action=DescribeVpcs&{VERSION}", "method": "PUT"}, "method_not_served"),
        ({"body": "{}", "header": ("content-type", "application/json")}, "body_is_no_form"),
    ],
)
def test_request_that_asks_for_nothing_is_refused(asked: dict[str, Any], fault: str) -> None:
    found = answered(**asked)
    assert (found.status, found.code) == (FAULTS[fault].status, FAULTS[fault].code)
    words = FAULTS[fault].message.partition("{")[0]
    assert words.encode() in found.body


def test_parameters_may_be_in_the_query_and_in_the_form() -> None:
    found = answered(query=VERSION, body="Action=DescribeVpcs&MaxResults=5")
    assert found.status == 200
    assert found.body.count(b"<isDefault>true</isDefault>") == 1


def test_form_needs_no_type() -> None:
    found = answered(body=f"Action=DescribeVpcs&{VERSION}", header=("accept", "*/*"))
    assert found.status == 200


@pytest.mark.semantics("ec2-error-form")
@pytest.mark.parametrize(
    "problem",
    [KeyError("a"), InternalError("b"), OutputError("the disk is full"), RecursionError()],
)
def test_what_goes_wrong_inside_is_told_to_us_and_not_to_the_client(
    monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def broken(exchange: Exchange, endpoint: Endpoint) -> Any:
        raise problem

    served = {"ec2": {"DescribeVpcs": broken}}
    monkeypatch.setattr(exchange_module, "SERVED", served)
    found = answered(body=f"Action=DescribeVpcs&{VERSION}")
    assert (found.status, found.code) == (500, FAULTS["internal_error"].code)
    assert found.trace is not None
    assert type(problem).__name__ in found.trace
    assert b"Traceback" not in found.body


def test_plane_that_cannot_enforce_something_says_what(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(exchange: Exchange, endpoint: Endpoint) -> Any:
        raise DataPlaneError("bpf", "eni-1", "1001 rules, expected at most 1000")

    monkeypatch.setattr(exchange_module, "SERVED", {"ec2": {"DescribeVpcs": refused}})
    found = answered(body=f"Action=DescribeVpcs&{VERSION}")
    assert (found.status, found.code) == (400, FAULTS["plane_refused"].code)
    assert b"cannot enforce that: bpf: eni-1: 1001 rules, expected at most 1000" in found.body
    assert found.trace is None


def test_body_that_is_too_large_or_too_slow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless() -> dict[str, Any]:
        return {"type": "http.request", "body": b"a" * 100, "more_body": True}

    async def silent() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    monkeypatch.setattr(app_module, "BODY_SECONDS", 0.05)
    for receive, fault in ((endless, "request_too_large"), (silent, "request_too_slow")):
        with pytest.raises(Ec2Error, match=fault):
            asyncio.run(body_of({"headers": []}, receive, 1000))
