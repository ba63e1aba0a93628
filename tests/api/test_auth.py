"""Signatures, with botocore's signer on the other side."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore import auth as botocore_auth
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from secgroup.api.auth import (
    Credential,
    Identity,
    believed,
    read_credentials,
    refuse_pages,
    verified,
)
from secgroup.api.request import Request
from secgroup.errors import Ec2Error, InputError
from tests.support.served import served

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KNOWN = {
    "AKIA1": Credential(
        access_key="AKIA1",
        secret_key="s3cret/+=",
        session_token=None,
        account_id="111122223333",
        user="ada",
    ),
    "ASIA2": Credential(
        access_key="ASIA2",
        secret_key="other",
        session_token="token",
        account_id="444455556666",
        user="bob",
    ),
}
BODY = "Action=DescribeVpcs&Version=2016-11-15&Filter.1.Name=a%20b"


def signed(
    monkeypatch: pytest.MonkeyPatch,
    *,
    key: str = "AKIA1",
    secret: str | None = None,
    token: str | None = None,
    at: datetime = NOW,
    expires: int | None = None,
    url: str = "http://127.0.0.1:4577/",
    body: str = BODY,
    region: str = "eu-west-1",
    headers: Mapping[str, str] | None = None,
) -> Request:
    """A request as botocore signs it; presigned if it expires."""
    monkeypatch.setattr(botocore_auth, "get_current_datetime", lambda: at.replace(tzinfo=None))
    secret = KNOWN[key].secret_key if secret is None else secret
    credentials = Credentials(key, secret, token)
    if expires is None:
        made = AWSRequest(method="POST", url=url, data=body)
    else:
        made = AWSRequest(method="GET", url=f"{url}?{body}")
    made.headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
    made.headers["Host"] = urlsplit(url).netloc
    for name, value in (headers or {}).items():
        made.headers[name] = value
    if expires is None:
        SigV4Auth(credentials, "ec2", region).add_auth(made)
    else:
        SigV4QueryAuth(credentials, "ec2", region, expires=expires).add_auth(made)
    sent = made.prepare()
    parts = urlsplit(sent.url)
    return Request(
        method=sent.method,
        path=parts.path,
        query=parts.query,
        headers=[
            (name.lower(), value.decode() if isinstance(value, bytes) else value)
            for name, value in sent.headers.items()
        ],
        body=(sent.body or b"") if isinstance(sent.body, bytes) else (sent.body or "").encode(),
        now=NOW,
    )


def changed(request: Request, **members: Any) -> Request:
    kept = {name: getattr(request, name) for name in ("method", "path", "query", "body", "now")} | {
        "headers": request.headers
    }
    return Request(**(kept | members))


@pytest.mark.semantics("ec2-signature")
def test_signed_request_is_from_the_user_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    found = verified(signed(monkeypatch), KNOWN)
    assert (found.access_key, found.user) == ("AKIA1", "ada")
    assert (found.caller.account_id, found.caller.region) == ("111122223333", "eu-west-1")


@pytest.mark.semantics("ec2-signature")
def test_presigned_request_is_from_the_user_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    found = verified(signed(monkeypatch, expires=60), KNOWN)
    assert found.user == "ada"


def test_session_token_must_be_the_one_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert verified(signed(monkeypatch, key="ASIA2", token="token"), KNOWN).user == "bob"
    request = signed(monkeypatch, key="ASIA2", token="token", expires=60)
    assert verified(request, KNOWN).user == "bob"
    for token in (None, "another"):
        with pytest.raises(Ec2Error, match="wrong_session_token"):
            verified(signed(monkeypatch, key="ASIA2", token=token), KNOWN)
    with pytest.raises(Ec2Error, match="wrong_session_token"):
        verified(signed(monkeypatch, key="AKIA1", token="token"), KNOWN)


@pytest.mark.semantics("ec2-signature")
@pytest.mark.parametrize("expires", [None, 3600])
def test_wrong_secret_does_not_match(monkeypatch: pytest.MonkeyPatch, expires: int | None) -> None:
    with pytest.raises(Ec2Error, match="wrong_signature"):
        verified(signed(monkeypatch, secret="wrong", expires=expires), KNOWN)


def _other_header(request: Request, name: str, value: str) -> Request:
    return changed(
        request,
        headers=[(key, value if key == name else old) for key, old in request.headers],
    )


@pytest.mark.semantics("ec2-signature")
@pytest.mark.parametrize(
    "change",
    [
        lambda request: changed(request, body=request.body + b"&DryRun=true"),
        lambda request: changed(request, body=b""),
        lambda request: changed(request, query="DryRun=true"),
        lambda request: changed(request, method="GET"),
        lambda request: changed(request, path="/metrics"),
        lambda request: _other_header(request, "host", "example.com"),
        lambda request: _other_header(request, "x-amz-date", "20261122T120001Z"),
    ],
)
def test_what_was_changed_after_signing_does_not_match(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Request], Request]
) -> None:
    with pytest.raises(Ec2Error, match="wrong_signature"):
        verified(change(signed(monkeypatch)), KNOWN)


def test_body_that_was_added_to_a_presigned_query_does_not_match(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = changed(signed(monkeypatch, expires=60), body=b"DryRun=true")
    with pytest.raises(Ec2Error, match="wrong_signature"):
        verified(request, KNOWN)


def test_digest_of_another_body_does_not_match(monkeypatch: pytest.MonkeyPatch) -> None:
    for digest in ("UNSIGNED-PAYLOAD", "0" * 64):
        request = signed(monkeypatch, headers={"X-Amz-Content-SHA256": digest})
        with pytest.raises(Ec2Error, match="wrong_signature"):
            verified(request, KNOWN)


def test_header_of_amazons_that_was_not_signed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = signed(monkeypatch)
    more = changed(request, headers=[*request.headers, ("x-amz-target", "a")])
    with pytest.raises(Ec2Error, match="x-amz-target is not signed"):
        verified(more, KNOWN)


@pytest.mark.semantics("ec2-signature-time")
@pytest.mark.parametrize(
    ("seconds", "expires", "is_good"),
    [
        (-300, None, True),
        (-301, None, False),
        (300, None, True),
        (301, None, False),
        (-600, 600, True),
        (-601, 600, False),
        (301, 600, False),
    ],
)
def test_request_is_good_for_five_minutes_or_until_it_expires(
    monkeypatch: pytest.MonkeyPatch, seconds: int, expires: int | None, is_good: bool
) -> None:
    request = signed(monkeypatch, at=NOW + timedelta(seconds=seconds), expires=expires)
    if is_good:
        assert verified(request, KNOWN).user == "ada"
        return
    with pytest.raises(Ec2Error, match="request_expired"):
        verified(request, KNOWN)


@pytest.mark.semantics("ec2-signature")
def test_key_that_is_not_known_and_no_key_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Ec2Error, match="unknown_access_key"):
        verified(signed(monkeypatch, key="AKIA9", secret="s3cret/+="), KNOWN)
    with pytest.raises(Ec2Error, match="not_signed"):
        verified(changed(signed(monkeypatch), headers=[("host", "a")]), KNOWN)


GOOD = "AWS4-HMAC-SHA256 Credential=AKIA1/20261122/eu-west-1/ec2/aws4_request"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic YTpi",
        "AWS4-HMAC-SHA256",
        GOOD,
        f"{GOOD}, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=AKIA1, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=/1/2/3/4, SignedHeaders=host, Signature=0",
        f"{GOOD}x, SignedHeaders=host;x-amz-date, Signature=0",
        "AWS4-HMAC-SHA256 Credential=AKIA1/20261121/eu-west-1/ec2/aws4_request,"
        " SignedHeaders=host;x-amz-date, Signature=0",
    ],
)
def test_signature_that_is_incomplete_is_refused(
    monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    with pytest.raises(Ec2Error, match="signature_incomplete"):
        verified(_other_header(signed(monkeypatch), "authorization", header), KNOWN)


@pytest.mark.semantics("ec2-signature-time")
@pytest.mark.parametrize("expires", ["0", "604801", "-1", "1e3", "", "9" * 5000])
def test_presigned_for_longer_than_a_week_is_refused(
    monkeypatch: pytest.MonkeyPatch, expires: str
) -> None:
    request = signed(monkeypatch, expires=60)
    query = request.query.replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}")
    with pytest.raises(Ec2Error, match="signature_incomplete"):
        verified(changed(request, query=query), KNOWN)


def account_and_region(found: Identity) -> tuple[str, str]:
    return found.caller.account_id, found.caller.region


def test_believed_request_is_of_the_account_that_its_key_spells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = signed(monkeypatch, key="444455556666", secret="any")
    assert account_and_region(believed(request, "1" * 12)) == ("444455556666", "eu-west-1")
    other = signed(monkeypatch, key="test", secret="any", expires=60)
    assert account_and_region(believed(other, "1" * 12)) == ("1" * 12, "eu-west-1")
    unsigned = changed(request, headers=[("host", "localhost")])
    assert account_and_region(believed(unsigned, "1" * 12)) == ("1" * 12, "us-east-1")


@pytest.mark.parametrize("region", ["", "a b", "../x", "eu-west", "x" * 500])
def test_scope_without_a_region_is_refused(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    with pytest.raises(Ec2Error, match="signature_incomplete"):
        believed(signed(monkeypatch, region=region), "1" * 12)


PAGE = {"host": "127.0.0.1:4577"}


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        (PAGE, None),
        ({"host": "localhost"}, None),
        ({"host": "[::1]:4577"}, None),
        ({"host": "ec2.localhost:80"}, None),
        (PAGE | {"origin": "http://127.0.0.1:4577"}, None),
        (PAGE | {"sec-fetch-site": "none"}, None),
        ({"host": "rebound.example.com"}, "unknown_host"),
        ({"host": "127.0.0.1.example.com"}, "unknown_host"),
        ({"host": ""}, "unknown_host"),
        (PAGE | {"origin": "https://example.com"}, "from_another_page"),
        (PAGE | {"origin": "null"}, "from_another_page"),
        (PAGE | {"sec-fetch-site": "cross-site"}, "from_another_page"),
    ],
)
def test_pages_of_other_origins_do_not_reach_loopback(
    monkeypatch: pytest.MonkeyPatch, headers: Mapping[str, str], fault: str | None
) -> None:
    request = changed(signed(monkeypatch), headers=list(headers.items()))
    if fault is None:
        refuse_pages(request, loopback_only=True)
        return
    with pytest.raises(Ec2Error, match=fault):
        refuse_pages(request, loopback_only=True)


def test_credentials_are_read_as_the_cli_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_text(
        "[ada]\naws_access_key_id = AKIA1\naws_secret_access_key = a%b\n"
        "[bob]\naws_access_key_id = ASIA2\naws_secret_access_key = c\n"
        "aws_session_token = t\naws_account_id = 444455556666\n"
    )
    found = read_credentials(path, "111122223333")
    assert found["AKIA1"].secret_key == "a%b"
    assert found["AKIA1"].account_id == "111122223333"
    assert (found["ASIA2"].user, found["ASIA2"].account_id) == ("bob", "444455556666")
    assert found["ASIA2"].session_token == "t"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no credentials in it"),
        ("no section", "not a credentials file"),
        ("[a]\naws_access_key_id = A\n", r"\[a\]: aws_secret_access_key is missing"),
        ("[a]\n[a]\n", "not a credentials file"),
        (
            "[a]\naws_access_key_id=A\naws_secret_access_key=B\naws_account_id=1\n",
            "expected 12 digits",
        ),
        (
            "[a]\naws_access_key_id=A\naws_secret_access_key=B\n"
            "[b]\naws_access_key_id=A\naws_secret_access_key=B\n",
            "A is there twice",
        ),
    ],
)
def test_credentials_that_are_none_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "credentials"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        read_credentials(path, "111122223333")


def test_server_with_credentials_lets_in_who_knows_the_secret() -> None:
    known = {
        key: Credential(
            access_key=key,
            secret_key=secret,
            session_token=None,
            account_id="444455556666",
            user="ada",
        )
        for key, secret in (("111122223333", "secret"), ("AKIA1", "another"))
    }
    with served(credentials=known) as server:
        found = server.client("sts").get_caller_identity()
        assert found["Arn"] == "arn:aws:iam::444455556666:user/ada"
        url = server.client().generate_presigned_url("describe_security_groups", HttpMethod="GET")
        assert server.get(url.removeprefix(server.url))[0] == 200
        # One letter of the signature is another.
        wrong = url[:-1] + ("0" if url[-1] != "0" else "1")
        assert server.get(wrong.removeprefix(server.url))[0] == 403
        assert server.query(Action="DescribeSecurityGroups")[0] == 403
        assert server.get("/healthz")[0] == 200
        status, body = server.ask("POST", "/?Version=2011-06-15&Action=GetCallerIdentity")
        assert status == 403
        assert b"<ErrorResponse>" in body
        with pytest.raises(server.client().exceptions.ClientError, match="SignatureDoesNotMatch"):
            server.client(key="AKIA1").describe_security_groups()
