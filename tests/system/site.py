"""The network that real traffic is sent through: a client, a server beside it, one elsewhere.

Everything of the client's is allowed out, tracked; what the servers take in, each test says.
"""

from collections.abc import Sequence

from tests.support.vpcs import OPEN, Plan

CLIENT, NEAR, FAR = "eni-client", "eni-near", "eni-far"
ADDRESSES = {
    CLIENT: ("10.0.1.5", "2600:1f00:0:1::5"),
    NEAR: ("10.0.1.6", "2600:1f00:0:1::6"),
    FAR: ("10.0.2.5", "2600:1f00:0:2::5"),
}
CLIENT_PUBLIC, FAR_PUBLIC = "198.18.0.5", "198.18.0.6"
#: Rules that are narrower than everything, so that what they admit is tracked.
OUT = ("out all 10.0.0.0/8", "out all 198.18.0.0/15", "out all 203.0.113.0/24", "out all 2600::/8")


def site(*rules: str, client: Sequence[str] = OUT, groups: Sequence[str] = ("sg-client",)) -> Plan:
    """Return the network; `rules` are those of the servers, `groups` the client's."""
    gateway = ("0.0.0.0/0 igw-1", "::/0 igw-1")
    return (
        Plan()
        .vpc("vpc-1", "10.0.0.0/16", "2600:1f00::/56")
        .internet_gateway("vpc-1")
        .subnet("sub-a", "vpc-1", "10.0.1.0/24", "2600:1f00:0:1::/64", routes=gateway)
        .subnet("sub-b", "vpc-1", "10.0.2.0/24", "2600:1f00:0:2::/64", routes=gateway)
        .group("sg-client", *client)
        .group("sg-other", *OUT)
        .group("sg-server", *rules)
        .group("sg-open", *OPEN)
        .interface(CLIENT, "sub-a", " ".join(ADDRESSES[CLIENT]), *groups, public=CLIENT_PUBLIC)
        .interface(NEAR, "sub-a", " ".join(ADDRESSES[NEAR]), "sg-server")
        .interface(FAR, "sub-b", " ".join(ADDRESSES[FAR]), "sg-server", public=FAR_PUBLIC)
    )
