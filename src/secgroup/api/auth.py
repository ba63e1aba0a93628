"""Who sends a request: account, region and user, from its Signature Version 4.

Without credentials every signature is believed, and the access key says which account is meant.
With them each one is computed again by botocore's signer. Knows nothing of what is asked.

Source: IAM User Guide, "AWS Signature Version 4 for API requests", read 2026-11-20.
"""

import configparser
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from secgroup.api.request import Request
from secgroup.control.endpoint import Caller
from secgroup.errors import Ec2Error, InputError

DEFAULT_ACCOUNT: Final = "123456789012"
DEFAULT_REGION: Final = "us-east-1"

#: How far the time of a request may be from ours, and how long a presigned one may be good.
SKEW: Final = timedelta(minutes=5)
_LONGEST: Final = 7 * 24 * 3600

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_REGION: Final = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}")
_EMPTY: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An access key that may come in.

    Parameters
    ----------
    access_key : str
    secret_key : str
    session_token : str or None
    account_id : str
    user : str
        Its profile in the file: who STS says it is.

    """

    access_key: str
    secret_key: str
    session_token: str | None
    account_id: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who sent a request, and to which region; `user` is None when nobody checked."""

    access_key: str
    caller: Caller
    user: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature as a request carries it, in a header or in its query."""

    access_key: str
    scope: tuple[str, str, str, str]
    signed_headers: tuple[str, ...]
    value: str
    time: str
    expires: int | None
    session_token: str | None


def checked_account(text: str, source: str, path: str | None = None) -> str:
    """Return an account id; raises `InputError` if it is none."""
    if not _ACCOUNT.fullmatch(text):
        raise InputError(f"expected 12 digits, not {text!r}", source=source, path=path)
    return text


def read_credentials(path: Path, account_id: str) -> dict[str, Credential]:
    """Read a file as the AWS CLI keeps its credentials in: a section for each user.

    `aws_access_key_id` and `aws_secret_access_key` must be there; `aws_session_token` and
    `aws_account_id` may.

    Returns
    -------
    dict of str to Credential
        By access key.

    Raises
    ------
    InputError
        The file cannot be read, or has no usable credentials.

    """
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"cannot be read: {reason}", source=str(path)) from None
    except configparser.Error as error:
        problem = error.message.splitlines()[0]
        raise InputError(f"not a credentials file: {problem}", source=str(path)) from None
    found: dict[str, Credential] = {}
    for user in parser.sections():
        section = parser[user]
        for needed in ("aws_access_key_id", "aws_secret_access_key"):
            if not section.get(needed):
                raise InputError(f"{needed} is missing", source=str(path), path=f"[{user}]")
        account = section.get("aws_account_id", account_id)
        key = section["aws_access_key_id"]
        if key in found:
            raise InputError(f"{key} is there twice", source=str(path), path=f"[{user}]")
        found[key] = Credential(
            access_key=key,
            secret_key=section["aws_secret_access_key"],
            session_token=section.get("aws_session_token"),
            account_id=checked_account(account, str(path), f"[{user}]"),
            user=user,
        )
    if not found:
        raise InputError("no credentials in it", source=str(path))
    return found


def signature_of(request: Request) -> Signature | None:
    """Return the signature that a request carries, believed or not; None when it has none.

    Raises
    ------
    Ec2Error
        There is one, and a part of it is missing or not of its form.

    """
    header = request.header("authorization")
    if header is not None:
        return _in_header(request, header)
    if "X-Amz-Signature=" in request.query:
        return _in_query(request)
    return None


def _in_header(request: Request, header: str) -> Signature:
    algorithm, _, rest = header.partition(" ")
    if algorithm != _ALGORITHM:
        raise Ec2Error("signature_incomplete", problem=f"the algorithm is not {_ALGORITHM}")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    return _signature(
        credential=parts.get("Credential"),
        signed_headers=parts.get("SignedHeaders"),
        value=parts.get("Signature"),
        time=request.header("x-amz-date"),
        expires=None,
        session_token=request.header("x-amz-security-token"),
    )


def _in_query(request: Request) -> Signature:
    parts = dict(parse_qsl(request.query, keep_blank_values=True))
    if parts.get("X-Amz-Algorithm") != _ALGORITHM:
        raise Ec2Error("signature_incomplete", problem=f"the algorithm is not {_ALGORITHM}")
    expires = parts.get("X-Amz-Expires", "")
    if not re.fullmatch("[0-9]{1,6}", expires) or not 1 <= int(expires) <= _LONGEST:
        problem = f"X-Amz-Expires is not between 1 and {_LONGEST}"
        raise Ec2Error("signature_incomplete", problem=problem)
    return _signature(
        credential=parts.get("X-Amz-Credential"),
        signed_headers=parts.get("X-Amz-SignedHeaders"),
        value=parts.get("X-Amz-Signature"),
        time=parts.get("X-Amz-Date"),
        expires=int(expires),
        session_token=parts.get("X-Amz-Security-Token"),
    )


def _signature(
    *,
    credential: str | None,
    signed_headers: str | None,
    value: str | None,
    time: str | None,
    expires: int | None,
    session_token: str | None,
) -> Signature:
    if not (credential and signed_headers and value):
        raise Ec2Error(
            "signature_incomplete", problem="it needs Credential, SignedHeaders and Signature"
        )
    access_key, *scope = credential.rsplit("/", 4)
    if len(scope) != 4 or not access_key:
        raise Ec2Error("signature_incomplete", problem="its credential has no scope")
    date, region, service, end = scope
    return Signature(
        access_key=access_key,
        scope=(date, region, service, end),
        signed_headers=tuple(signed_headers.split(";")),
        value=value,
        time=time or "",
        expires=expires,
        session_token=session_token,
    )


def believed(request: Request, account_id: str) -> Identity:
    """Return who a request says that it is from, as it is done where nobody can come from outside.

    An access key of 12 digits is the account that is meant; any other key, and none, means
    `account_id`.

    Raises
    ------
    Ec2Error
        It is signed, but not in a way that can be read.

    """
    signature = signature_of(request)
    key = "" if signature is None else signature.access_key
    region = DEFAULT_REGION if signature is None else signature.scope[1]
    return Identity(
        access_key=key,
        caller=Caller(
            account_id=key if _ACCOUNT.fullmatch(key) else account_id, region=_checked(region)
        ),
        user=None,
    )


def _checked(region: str) -> str:
    if not _REGION.fullmatch(region):
        raise Ec2Error("signature_incomplete", problem="its scope names no region")
    return region


def verified(request: Request, credentials: Mapping[str, Credential]) -> Identity:
    """Return who a request is from, after its signature was computed again.

    Raises
    ------
    Ec2Error
        It is not signed, by a key that is not known, with another secret, too long ago, or what
        it says is not what was signed.

    """
    signature = signature_of(request)
    if signature is None:
        raise Ec2Error("not_signed")
    credential = credentials.get(signature.access_key)
    if credential is None:
        raise Ec2Error("unknown_access_key")
    _check_time(signature, request.now)
    _check_signed(signature, request)
    if not hmac.compare_digest(
        _computed(signature, credential, request).encode(), signature.value.encode()
    ):
        raise Ec2Error("wrong_signature")
    given = (signature.session_token or "").encode()
    if not hmac.compare_digest((credential.session_token or "").encode(), given):
        raise Ec2Error("wrong_session_token")
    return Identity(
        access_key=credential.access_key,
        caller=Caller(account_id=credential.account_id, region=_checked(signature.scope[1])),
        user=credential.user,
    )


def _check_time(signature: Signature, now: datetime) -> None:
    try:
        time = datetime.strptime(signature.time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        problem = "X-Amz-Date is not of the form 20261122T120000Z"
        raise Ec2Error("signature_incomplete", problem=problem) from None
    if signature.scope[0] != signature.time[:8] or signature.scope[3] != "aws4_request":
        raise Ec2Error("signature_incomplete", problem="its scope is not of its date")
    good = SKEW if signature.expires is None else timedelta(seconds=signature.expires)
    if not time - SKEW <= now <= time + good:
        raise Ec2Error("request_expired")


def _check_signed(signature: Signature, request: Request) -> None:
    """Hold that what decides about a request is part of what was signed."""
    signed = set(signature.signed_headers)
    needed = {"host", *(name for name, _ in request.headers if name.startswith("x-amz-"))}
    for name in sorted(needed - signed):
        raise Ec2Error("signature_incomplete", problem=f"the header {name} is not signed")
    digest = request.header("x-amz-content-sha256")
    if digest is not None and digest != _digest(request.body):
        raise Ec2Error("wrong_signature")


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest() if body else _EMPTY


def _computed(signature: Signature, credential: Credential, request: Request) -> str:
    """Return the signature that the request should have, by botocore's signer."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.compat import HTTPHeaders
    from botocore.credentials import Credentials

    headers = HTTPHeaders()
    for name, value in request.headers:
        if name in signature.signed_headers:
            headers.add_header(name, value)

    class Signer(SigV4Auth):  # type: ignore[misc]
        def headers_to_sign(self, request: Any) -> Any:  # noqa: ARG002
            return headers

    query = "&".join(
        each for each in request.query.split("&") if not each.startswith("X-Amz-Signature=")
    )
    # Nothing of the host stands in what is signed but its header.
    url = f"http://localhost{request.path}?{query}"
    again = AWSRequest(method=request.method, url=url, data=request.body)
    again.context["timestamp"] = signature.time
    signer = Signer(
        Credentials(credential.access_key, credential.secret_key),
        signature.scope[2],
        signature.scope[1],
    )
    text: str = signer.signature(
        signer.string_to_sign(again, signer.canonical_request(again)), again
    )
    return text


_LOOPBACK: Final = re.compile(
    r"(localhost|[\w.-]+\.localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?"
)


def refuse_pages(request: Request, *, loopback_only: bool) -> None:
    """Refuse what a page in somebody's browser sent here: it needs no key to reach loopback.

    Raises
    ------
    Ec2Error
        The request is of a page of another origin; or it calls us by a name that is not of
        loopback, as a page does whose name was bound to another address after it was loaded.

    """
    host = request.header("host") or ""
    if loopback_only and not _LOOPBACK.fullmatch(host.lower()):
        raise Ec2Error("unknown_host", host=host)
    origin = request.header("origin")
    if origin is not None and origin.partition("://")[2] != host:
        raise Ec2Error("from_another_page")
    if request.header("sec-fetch-site") not in (None, "none", "same-origin"):
        raise Ec2Error("from_another_page")
