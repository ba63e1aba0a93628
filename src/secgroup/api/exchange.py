"""One request of EC2's from its bytes to its answer, as a list of steps.

Knows no HTTP server: `app` gives it what came, and sends what it returns.
"""

import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from secgroup.api import serialize
from secgroup.api.auth import Credential, Identity, believed, refuse_pages, verified
from secgroup.api.errors import fault_of
from secgroup.api.model import SERVICES, Service
from secgroup.api.operations import OPERATIONS
from secgroup.api.parse import compile_reader, parse, query
from secgroup.api.request import Request
from secgroup.control.endpoint import Endpoint
from secgroup.errors import DataPlaneError, Ec2Error


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Who may come in.

    Parameters
    ----------
    credentials : mapping of str to Credential, or None
        The access keys that may; None when every signature is believed.
    account_id : str
        The account of a key that names none.
    loopback_only : bool
        Whether requests are answered only when they call the server by a name of loopback.

    """

    credentials: Mapping[str, Credential] | None
    account_id: str
    loopback_only: bool

    def identify(self, request: Request) -> Identity:
        """Return who sent a request.

        Raises
        ------
        Ec2Error
            It may not come in.

        """
        refuse_pages(request, loopback_only=self.loopback_only)
        if self.credentials is None:
            return believed(request, self.account_id)
        return verified(request, self.credentials)


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request, what is found out about it, and its answer."""

    request: Request
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    identity: Identity | None = None
    parameters: list[tuple[str, str]] = field(default_factory=list)
    service: Service | None = None
    #: What is asked for as it is spelled, and once it is known to be served.
    asked: str | None = None
    action: str | None = None
    input: Any = None
    result: Any = None
    status: int = 200
    body: bytes = b""
    #: EC2's code of the error, and what we must know of one that is ours.
    code: str = ""
    trace: str | None = None


def read(exchange: Exchange, endpoint: Endpoint, door: Door) -> None:  # noqa: ARG001
    """Take the parameters out of the query and the form."""
    request = exchange.request
    if request.method not in ("GET", "POST"):
        raise Ec2Error("method_not_served", method=request.method)
    kind = request.header("content-type")
    if request.body and kind is not None:
        name = kind.partition(";")[0].strip().lower()
        if name != "application/x-www-form-urlencoded":
            raise Ec2Error("body_is_no_form", kind=name)
    text = request.query.encode("latin-1")
    if request.body:
        text = request.body if not text else text + b"&" + request.body
    exchange.parameters = query(text)


def recognise(exchange: Exchange, endpoint: Endpoint, door: Door) -> None:  # noqa: ARG001
    """Find out which service is spoken: its errors have another form."""
    version = _first(exchange.parameters, "Version")
    if version in SERVICES:
        exchange.service = SERVICES[version]()


def identify(exchange: Exchange, endpoint: Endpoint, door: Door) -> None:  # noqa: ARG001
    """Find out who asks; nothing of what is asked was looked at before."""
    exchange.identity = door.identify(exchange.request)


def name(exchange: Exchange, endpoint: Endpoint, door: Door) -> None:  # noqa: ARG001
    """Find the operation."""
    action = _first(exchange.parameters, "Action")
    version = _first(exchange.parameters, "Version")
    if not action:
        raise Ec2Error("missing_action")
    exchange.asked = action
    if not version:
        raise Ec2Error("missing_version")
    if exchange.service is None:
        raise Ec2Error("no_such_version", version=version)
    if action not in exchange.service.operations:
        raise Ec2Error("no_such_action", action=action)
    if action not in SERVED[exchange.service.name]:
        raise Ec2Error("action_not_served", action=action)
    exchange.action = action


def understand(exchange: Exchange, endpoint: Endpoint, door: Door) -> None:  # noqa: ARG001
    """Read the parameters by the operation's shape."""
    assert exchange.service is not None
    assert exchange.action is not None
    exchange.input = parse(exchange.service, exchange.action, exchange.parameters)


def perform(exchange: Exchange, endpoint: Endpoint, door: Door) -> None:  # noqa: ARG001
    """Do it."""
    assert exchange.service is not None
    assert exchange.action is not None
    perform_here = SERVED[exchange.service.name][exchange.action]
    exchange.result = perform_here(exchange, endpoint)


def write(exchange: Exchange, endpoint: Endpoint, door: Door) -> None:  # noqa: ARG001
    """Spell the answer."""
    assert exchange.service is not None
    assert exchange.action is not None
    exchange.body = serialize.answer(
        exchange.service, exchange.action, exchange.result, exchange.request_id
    )


#: What happens to a request, in this order; each step may refuse it.
STEPS: Final[tuple[Callable[[Exchange, Endpoint, Door], None], ...]] = (
    read,
    recognise,
    identify,
    name,
    understand,
    perform,
    write,
)


def respond(exchange: Exchange, endpoint: Endpoint, door: Door) -> None:
    """Take a request through every step; what a step refuses becomes the answer."""
    try:
        for step in STEPS:
            step(exchange, endpoint, door)
    except Ec2Error as error:
        refuse(exchange, error)
    except DataPlaneError as error:
        refuse(exchange, Ec2Error("plane_refused", problem=str(error)))
    except Exception:
        exchange.trace = traceback.format_exc()
        refuse(exchange, Ec2Error("internal_error"))


def refuse(exchange: Exchange, error: Ec2Error) -> None:
    """Make an error the answer."""
    fault, message = fault_of(error)
    exchange.status, exchange.code = fault.status, fault.code
    exchange.body = serialize.error(
        "ec2" if exchange.service is None else exchange.service.protocol,
        code=fault.code,
        message=message,
        status=fault.status,
        request_id=exchange.request_id,
    )


def prepare() -> None:
    """Load the models and shapes of what is served, so that no request waits for them."""
    for service in (each() for each in SERVICES.values()):
        for action in SERVED[service.name]:
            compile_reader(service, action)
            serialize.compile_writer(service, action)


def _first(parameters: list[tuple[str, str]], name: str) -> str | None:
    return next((value for each, value in parameters if each == name), None)


#: How an operation is done: what it answers, from the exchange and the endpoint.
Performer = Callable[[Exchange, Endpoint], Mapping[str, Any]]


def _of_ec2(action: str) -> Performer:
    operation = OPERATIONS[action]

    def perform(exchange: Exchange, endpoint: Endpoint) -> Mapping[str, Any]:
        assert exchange.identity is not None
        caller = exchange.identity.caller
        return endpoint.call(action, operation, caller, exchange.input, exchange.request.now)

    return perform


def _caller_identity(exchange: Exchange, endpoint: Endpoint) -> Mapping[str, Any]:  # noqa: ARG001
    """GetCallerIdentity, of STS: clients ask for it before anything else."""
    identity = exchange.identity
    assert identity is not None
    account_id, user = identity.caller.account_id, identity.user
    whose = "root" if user is None else f"user/{user}"
    return {
        "UserId": account_id if user is None else identity.access_key,
        "Account": account_id,
        "Arn": f"arn:aws:iam::{account_id}:{whose}",
    }


#: Service -> operation that is served -> how it is done.
SERVED: Final[Mapping[str, Mapping[str, Performer]]] = {
    "ec2": {name: _of_ec2(name) for name in OPERATIONS},
    "sts": {"GetCallerIdentity": _caller_identity},
}
