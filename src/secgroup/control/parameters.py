"""What a request's parameters must be before an operation looks at what they mean."""

from ipaddress import IPv4Network, IPv6Network

from secgroup.control.state import Resource
from secgroup.errors import Ec2Error


def spelled(name: str) -> str:
    """Return a parameter's name as EC2's messages write it: `destinationCidrBlock`."""
    return name[0].lower() + name[1:]


def given(request: Resource, *names: str) -> list[str]:
    """Return those of the parameters that a request has."""
    return [name for name in names if request.get(name) is not None]


def needed(request: Resource, name: str) -> str:
    """Return a parameter that a request must have.

    Raises
    ------
    Ec2Error
        It has not.

    """
    value = request.get(name)
    if value is None or value == "":
        raise Ec2Error("missing_parameter", name=spelled(name))
    return str(value)


def one_of(request: Resource, *names: str) -> str:
    """Return which of the parameters a request has; it must have exactly one.

    Raises
    ------
    Ec2Error
        It has none of them, or several.

    """
    found = given(request, *names)
    if not found:
        raise Ec2Error("missing_one_of", names=", ".join(map(spelled, names)))
    if len(found) > 1:
        raise Ec2Error("not_together", first=spelled(found[0]), second=spelled(found[1]))
    return found[0]


def unserved(request: Resource, *names: str) -> None:
    """Refuse parameters that ask for what this endpoint has not, rather than ignore them.

    Raises
    ------
    Ec2Error
        A request has one of them.

    """
    for name in names:
        if request.get(name) not in (None, False, [], ""):
            raise Ec2Error("parameter_not_served", name=name)


def ipv4_block(text: str, parameter: str) -> IPv4Network:
    """Read an IPv4 CIDR block and bring it into its canonical form, as EC2 does.

    Raises
    ------
    Ec2Error
        It is none.

    """
    try:
        if "/" not in text:
            raise ValueError
        return IPv4Network(text, strict=False)
    except ValueError:
        raise Ec2Error("block_malformed", value=text, parameter=spelled(parameter)) from None


def ipv6_block(text: str, parameter: str) -> IPv6Network:
    """Read an IPv6 CIDR block and bring it into its canonical form.

    Raises
    ------
    Ec2Error
        It is none.

    """
    try:
        if "/" not in text or "%" in text:
            raise ValueError
        return IPv6Network(text, strict=False)
    except ValueError:
        raise Ec2Error("block_malformed", value=text, parameter=spelled(parameter)) from None
