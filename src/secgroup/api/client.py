"""A client of this server's own resources, signed as those of EC2 are.

Owns where credentials come from, as the AWS CLI has them: the environment, then its files. Knows
nothing of what is asked.
"""

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from secgroup.api.auth import DEFAULT_REGION
from secgroup.errors import InputError

_SECONDS: Final = 60
#: Where botocore would ask other machines for credentials.
_REMOTE: Final = ("iam-role", "container-role", "assume-role", "sso", "process")


def ask(url: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a server answers, as JSON.

    Raises
    ------
    InputError
        It cannot be reached, or it refuses.

    """
    data = None if body is None else json.dumps(body).encode()
    target = url.rstrip("/") + path
    if not target.startswith(("http://", "https://")):
        raise InputError("expected http://... or https://...", source=url)
    headers = {"Content-Type": "application/json", **_signed(method, target, data)}
    request = Request(target, data, headers, method=method)
    try:
        with urlopen(request, timeout=_SECONDS) as answer:
            found: dict[str, Any] = json.load(answer)
    except HTTPError as error:
        raise InputError(_refusal(error), source=url) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"no answer (expected a running secgroup serve): {reason}", source=url
        ) from None
    return found


def _refusal(error: HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (OSError, ValueError, LookupError, TypeError):
        return f"refused with status {error.code}"


def _signed(method: str, url: str, data: bytes | None) -> dict[str, str]:
    """Return the headers of a signature; none where there are no credentials."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    session = Session()
    try:
        providers = session.get_component("credential_provider").providers
        for provider in list(providers):
            if provider.METHOD in _REMOTE:
                providers.remove(provider)
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise InputError(f"cannot be used: {error}", source="AWS credentials") from None
    if credentials is None:
        return {}
    request = AWSRequest(method=method, url=url, data=data)
    region = session.get_config_variable("region") or DEFAULT_REGION
    SigV4Auth(credentials, "ec2", region).add_auth(request)
    return dict(request.headers.items())
