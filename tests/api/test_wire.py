"""Both ways of the wire, with botocore on the other side, for every operation that EC2 has."""

from datetime import datetime
from random import Random
from typing import Any

import pytest
from botocore.parsers import EC2QueryParser, QueryParser
from botocore.serialize import EC2Serializer
from botocore.utils import percent_encode_sequence

from secgroup.api.model import ec2, sts
from secgroup.api.parse import parse, query
from secgroup.api.serialize import Texts, answer, error, escaped
from secgroup.errors import Ec2Error, InternalError
from tests.api.values import made

NAMES = sorted(ec2().operations)
PARTS = [NAMES[start::10] for start in range(10)]


def sent(name: str, request: dict[str, Any]) -> list[tuple[str, str]]:
    """What a client of botocore's puts on the wire, as our side reads it."""
    model = ec2().operation(name)
    body = EC2Serializer().serialize_to_request(request, model)["body"]
    return query(percent_encode_sequence(body).encode())


def received(name: str, body: bytes) -> dict[str, Any]:
    """What a client of botocore's makes of an answer."""
    model = ec2().operation(name)
    response = {"body": body, "headers": {}, "status_code": 200}
    return dict(EC2QueryParser(timestamp_parser=iso).parse(response, model.output_shape))


def iso(text: str) -> str:
    datetime.fromisoformat(text)
    return text


@pytest.mark.parametrize("names", PARTS, ids=range(len(PARTS)))
def test_every_request_of_botocores_is_read_as_it_was_given(names: list[str]) -> None:
    for name in names:
        random = Random(name)
        for fullness in (1.0, 0.4):
            request = made(ec2().operation(name).input_shape, random, fullness=fullness)
            assert parse(ec2(), name, sent(name, request)) == request, name


@pytest.mark.parametrize("names", PARTS, ids=range(len(PARTS)))
def test_every_answer_is_read_by_botocore_as_it_was_given(names: list[str]) -> None:
    for name in names:
        shape = ec2().operation(name).output_shape
        random = Random(name)
        for fullness in (1.0, 0.4) if shape is not None else ():
            result = made(shape, random, fullness=fullness)
            found = received(name, answer(ec2(), name, result, "request-1"))
            assert found.pop("ResponseMetadata")["RequestId"] == "request-1"
            assert found == result, name


def test_operation_without_a_result_answers_true() -> None:
    body = answer(ec2(), "CreateTags", {"Return": True}, "request-1")
    assert b"<return>true</return></CreateTagsResponse>" in body


def test_answer_of_sts_is_enveloped_as_its_protocol_says() -> None:
    shape = sts().operation("GetCallerIdentity").output_shape
    result = {"UserId": "AIDA1", "Account": "111122223333", "Arn": "arn:aws:iam::111122223333:root"}
    body = answer(sts(), "GetCallerIdentity", result, "request-1")
    response = {"body": body, "headers": {}, "status_code": 200}
    found = QueryParser().parse(response, shape)
    assert found.pop("ResponseMetadata")["RequestId"] == "request-1"
    assert found == result


@pytest.mark.semantics("ec2-error-form")
@pytest.mark.parametrize(("protocol", "parser"), [("ec2", EC2QueryParser), ("query", QueryParser)])
def test_error_is_read_by_botocore(protocol: str, parser: type) -> None:
    body = error(protocol, code="X.Y", message='a <b> "c" \x00', status=400, request_id="request-1")
    found = parser().parse({"body": body, "headers": {}, "status_code": 400}, None)
    assert found["Error"]["Code"] == "X.Y"
    assert found["Error"]["Message"] == 'a <b> "c" \ufffd'
    assert found["ResponseMetadata"]["RequestId"] == "request-1"


def test_escaped_text_without_markup_is_the_same_object() -> None:
    text = "eth0: 10.0.0.0/8, größer 漢字 \U0001f512\n"
    assert escaped(text) is text
    assert escaped("a&<b>\r\x0b\ufffe") == "a&amp;&lt;b&gt;&#13;\ufffd\ufffd"


def test_text_of_a_large_resource_is_made_once_and_the_oldest_give_way() -> None:
    texts = Texts(limit=25, least=5)
    made: list[object] = []

    def writer(value: list[str]) -> str:
        made.append(value)
        return value[0]

    small, *large = [["1234"], ["first567890"], ["second7890"], ["third67890"]]
    for value in (small, small, large[0], large[1], large[1], large[2], large[1], large[0]):
        assert texts.text(value, writer) == value[0]
    assert made == [small, small, large[0], large[1], large[2], large[0]]
    # Equal, but another object.
    assert texts.text(list(large[2]), writer) == "third67890"
    assert len(made) == 7


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("CreateSecurityGroup", {"GroupIdd": "sg-1"}),
        ("CreateSecurityGroup", {"GroupId": 1}),
        ("CreateSecurityGroup", {"Tags": {"Key": "a"}}),
        ("CreateSecurityGroup", {"Tags": "a"}),
        ("CreateSecurityGroup", {"Tags": [["a"]]}),
        ("AuthorizeSecurityGroupIngress", {"Return": "true"}),
        ("AuthorizeSecurityGroupIngress", {"SecurityGroupRules": [{"FromPort": "22"}]}),
        ("AuthorizeSecurityGroupIngress", {"SecurityGroupRules": [{"FromPort": True}]}),
        ("CreateTags", {"Tags": []}),
    ],
)
def test_result_that_is_not_of_its_shape_is_our_fault(name: str, result: Any) -> None:
    with pytest.raises(InternalError):
        answer(ec2(), name, result, "request-1")


CREATE = "GroupName=a&GroupDescription=b&"


@pytest.mark.semantics("ec2-error-parameters")
@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("CreateSecurityGroup", "GroupDescription=b", "missing_parameter name=groupName"),
        ("CreateSecurityGroup", "GroupName=b", "missing_parameter name=GroupDescription"),
        ("CreateSecurityGroup", CREATE + "Description=c", "unknown_parameter name=Description"),
        ("CreateSecurityGroup", CREATE + "Vpc.Id.1=c", "unknown_parameter name=Vpc.Id.1"),
        ("CreateSecurityGroup", CREATE + "VpcId.1=c", "unknown_parameter name=VpcId.1"),
        ("CreateSecurityGroup", CREATE + "TagSpecification=c", "unknown_parameter"),
        ("CreateSecurityGroup", CREATE + "TagSpecification.1=c", "unknown_parameter"),
        ("CreateSecurityGroup", CREATE + "TagSpecification.0.Tag.1.Key=c", "unknown_parameter"),
        ("CreateSecurityGroup", CREATE + "TagSpecification.01.Tag.1.Key=c", "unknown_parameter"),
        ("CreateSecurityGroup", CREATE + "TagSpecification.1.Tag.٣.Key=c", "unknown_parameter"),
        ("CreateSecurityGroup", CREATE + "GroupName=c", "parameter_twice name=GroupName"),
        ("CreateSecurityGroup", CREATE + "GroupName.1=c", "parameter_twice"),
        ("CreateSecurityGroup", CREATE + ".=c", "unknown_parameter"),
        ("CreateSecurityGroup", CREATE + "=c", "unknown_parameter"),
        ("CreateSecurityGroup", CREATE + "DryRun=maybe", "invalid_value"),
        ("CreateSecurityGroup", CREATE + "DryRun=", "invalid_value"),
        ("CreateSecurityGroup", CREATE + "TagSpecification.1.ResourceType=vpcx", "invalid_value"),
        ("CreateSecurityGroup", CREATE + "VpcId=%00", "invalid_character"),
        ("CreateSecurityGroup", CREATE + "VpcId=%EF%BF%BF", "invalid_character name=VpcId"),
        ("CreateSecurityGroup", CREATE + "VpcId=%ff", "query_not_utf_8"),
        ("CreateSecurityGroup", CREATE + ".".join("a" * 40), "parameter_too_deep"),
        ("CreateSecurityGroup", CREATE + "&".join("a" * 10_000), "too_many_parameters"),
        ("DescribeVpcs", "MaxResults=five", "invalid_value"),
        ("DescribeVpcs", "MaxResults=5.0", "invalid_value"),
        ("DescribeVpcs", "MaxResults=2147483648", "invalid_value"),
        ("DescribeVpcs", "MaxResults=" + "9" * 5000, "invalid_value"),
        ("DescribeVpcs", "MaxResults=٣", "invalid_value"),
        ("CreateFlowLogs", "ResourceType=VPC", "missing_parameter"),
        ("DeleteFleets", "FleetId.1=a&TerminateInstances=true&X.Y=1", "unknown_parameter"),
        ("ImportKeyPair", "KeyName=a&PublicKeyMaterial=*", "invalid_value"),
        ("DescribeSpotPriceHistory", "StartTime=yesterday", "invalid_value"),
        ("DescribeSpotPriceHistory", "StartTime=2026-02-30T00:00:00Z", "invalid_value"),
        ("DescribeSpotPriceHistory", "StartTime=0001-01-01T00:00:00%2B23:00", "invalid_value"),
        ("CreateSpotDatafeedSubscription", "Bucket.1.x=a", "unknown_parameter"),
    ],
)
def test_request_that_is_spelled_wrong_is_refused(name: str, text: str, fault: str) -> None:
    expected, _, field = fault.partition(" ")
    with pytest.raises(Ec2Error) as raised:
        parse(ec2(), name, query(text.encode()))
    assert raised.value.fault == expected
    if field:
        key, _, value = field.partition("=")
        assert str(raised.value.fields[key]) == value


def test_lists_keep_the_order_of_their_indexes_not_of_the_request() -> None:
    parameters = query(b"VpcId.10=c&VpcId.2=b&VpcId.1=a&&Filter=")
    found = parse(ec2(), "DescribeVpcs", parameters)
    assert found == {"VpcIds": ["a", "b", "c"], "Filters": []}


def test_envelope_of_a_signed_query_is_no_parameter() -> None:
    text = b"Action=DescribeVpcs&Version=2016-11-15&X-Amz-Date=1&X-Amz-Signature=2&MaxResults=%35"
    assert parse(ec2(), "DescribeVpcs", query(text)) == {"MaxResults": 5}


def test_times_of_any_zone_become_utc() -> None:
    found = parse(ec2(), "DescribeSpotPriceHistory", query(b"StartTime=2026-01-01T02:00%2B02:00"))
    assert found == {"StartTime": "2026-01-01T00:00:00.000Z"}
