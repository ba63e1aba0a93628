"""Cases that AWS itself publishes, played packet by packet."""

from typing import Final

from secgroup.decision import Reason
from secgroup.lessons.scene import scene
from secgroup.lessons.story import Story
from secgroup.lessons.talk import connection, message, ping, pong
from secgroup.lessons.telling import OFFICE, OUT_ALL, VISITOR, WEB, comes, leaves, now


def _the_ping_example() -> Story:
    client, server = "203.0.113.12", "172.31.16.139"
    return Story(
        name="the-ping-example",
        title="The ping of the flow-log pages: request ACCEPT, reply REJECT",
        network=scene(
            groups={"web": ["in icmp 0.0.0.0/0"]},
            interfaces={"web": f"{server} web"},
            acls={"172.31.16": ["in 100 allow icmp 0.0.0.0/0", "out 100 deny icmp 0.0.0.0/0"]},
        ),
        steps=(
            comes("A host pings.", ping(client, server), Reason.NEW),
            leaves("The instance answers.", pong(server, client), Reason.NETWORK_ACL),
        ),
        notice="The group lets the reply out without an outbound rule, because it remembers the "
        "request. The ACL remembers nothing and denies it. A flow log shows two records for "
        "one ping: ACCEPT inwards and REJECT outwards (VPC User Guide, Flow log record "
        "examples).",
    )


def _the_tracking_example() -> Story:
    ssh, web = connection(OFFICE, WEB, 22), connection(VISITOR, WEB, 80)
    web6 = connection("2001:db8:ffff::7", "2001:db8:1:1::10", 80)
    return Story(
        name="the-tracking-example",
        title="The worked example of connection tracking",
        network=scene(
            groups={
                "web": [
                    "in tcp/22 203.0.113.1/32",
                    "in tcp/80 0.0.0.0/0",
                    "in tcp/80 ::/0",
                    "in icmp 0.0.0.0/0",
                    *OUT_ALL,
                ]
            },
            interfaces={"web": f"{WEB} 2001:db8:1:1::10 web"},
        ),
        steps=(
            comes("SSH from the office.", ssh.client("SYN"), Reason.NEW),
            leaves("Its answer.", ssh.server("SYN ACK"), Reason.ESTABLISHED),
            comes("HTTP from anybody.", web.client("SYN"), Reason.UNTRACKED),
            leaves("Its answer.", web.server("SYN ACK"), Reason.UNTRACKED),
            comes("HTTP over IPv6.", web6.client("SYN"), Reason.UNTRACKED),
            leaves("Its answer.", web6.server("SYN ACK"), Reason.UNTRACKED),
            comes("A ping from anybody.", ping(VISITOR, WEB), Reason.NEW),
            leaves("Its answer.", pong(WEB, VISITOR), Reason.ESTABLISHED),
        ),
        notice="SSH is tracked because its rule is not for all addresses. HTTP is not: its rule "
        "is for everyone, and everything is open the other way. ICMP is tracked whatever the "
        "rules (EC2 User Guide, Security group connection tracking).",
    )


def _ssh_and_a_rule_change() -> Story:
    tracked, untracked = connection(OFFICE, WEB, 22), connection(VISITOR, WEB, 2222)
    interfaces = {"web": f"{WEB} web"}
    return Story(
        name="ssh-and-a-rule-change",
        title="Two SSH sessions, and the rules under both are removed",
        network=scene(
            groups={
                "web": ["in tcp/22 203.0.113.1/32", "in tcp/2222 0.0.0.0/0", "out all 0.0.0.0/0"]
            },
            interfaces=interfaces,
        ),
        steps=(
            comes("From the office, to port 22.", tracked.client("SYN"), Reason.NEW),
            leaves("server: SYN-ACK", tracked.server("SYN ACK"), Reason.ESTABLISHED),
            comes("client: ACK", tracked.client("ACK"), Reason.ESTABLISHED),
            comes("From anywhere, to port 2222.", untracked.client("SYN"), Reason.UNTRACKED),
            leaves("server: SYN-ACK", untracked.server("SYN ACK"), Reason.UNTRACKED),
            comes("client: ACK", untracked.client("ACK"), Reason.UNTRACKED),
            now(
                "Both inbound rules are removed.",
                scene(groups={"web": ["out all 0.0.0.0/0"]}, interfaces=interfaces),
            ),
            comes("The office types.", tracked.client("PSH ACK", 36), Reason.ESTABLISHED),
            leaves("It sees its echo.", tracked.server("PSH ACK", 36), Reason.ESTABLISHED),
            comes("The other one types.", untracked.client("PSH ACK", 36), Reason.NO_MATCHING_RULE),
        ),
        notice="A tracked connection lives on after its rule is gone, until it ends or is idle too "
        "long; to cut it at once takes an ACL. An untracked one has no entry to live on and "
        "stops with its rule (EC2 User Guide, Untracked connections).",
    )


def _the_path_mtu_message() -> Story:
    talk = connection(WEB, VISITOR)
    syn, syn_ack, ack = talk.client("SYN"), talk.server("SYN ACK"), talk.client("ACK")
    large = talk.client("PSH ACK", 8960)
    router = "192.0.2.1"
    foreign = connection(WEB, "192.0.2.99").client("PSH ACK", 8960)
    return Story(
        name="the-path-mtu-message",
        title="A router says: too big",
        network=scene(
            groups={"web": ["out tcp/443 198.51.100.0/24"]}, interfaces={"web": f"{WEB} web"}
        ),
        steps=(
            leaves("The server opens an upload.", syn, Reason.NEW),
            comes("It is welcome.", syn_ack, Reason.ESTABLISHED),
            leaves("server: ACK", ack, Reason.ESTABLISHED),
            leaves("It sends a jumbo segment.", large, Reason.ESTABLISHED),
            comes(
                "A router on the way: fragmentation needed.",
                message(router, WEB, type=3, code=4, quote=large),
                Reason.RELATED,
            ),
            comes(
                "Somebody says the same of a connection that is not there.",
                message(router, WEB, type=3, code=4, quote=foreign),
                Reason.NO_MATCHING_RULE,
            ),
        ),
        notice="The message comes from a router that no rule names and passes all the same: it "
        "quotes a packet of a flow that passes here. AWS promises this for untracked and "
        "automatically tracked flows and for groups with an ICMP rule; that it holds for every "
        "tracked flow is an assumption (switch: --no-related-icmp).",
    )


STORIES: Final = (
    _the_ping_example(),
    _the_tracking_example(),
    _ssh_and_a_rule_change(),
    _the_path_mtu_message(),
)
