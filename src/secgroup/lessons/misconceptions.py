"""What people believe about security groups, and what happens instead."""

from typing import Final

from secgroup.decision import Reason
from secgroup.lessons.scene import scene
from secgroup.lessons.story import Story
from secgroup.lessons.talk import connection, datagram, ping, pong
from secgroup.lessons.telling import OFFICE, OUT_ALL, VISITOR, WEB, after, comes, leaves


def _replies_need_outbound_rules() -> Story:
    ssh = connection(OFFICE, WEB, 22)
    outward = connection(WEB, OFFICE, 22)
    return Story(
        name="replies-need-outbound-rules",
        title="“Replies need outbound rules.”",
        network=scene(
            groups={"web": ["in tcp/22 203.0.113.1/32", "in icmp 203.0.113.1/32"]},
            interfaces={"web": f"{WEB} web"},
        ),
        steps=(
            comes("The office connects.", ssh.client("SYN"), Reason.NEW),
            leaves("The server answers.", ssh.server("SYN ACK"), Reason.ESTABLISHED),
            comes("The office pings.", ping(OFFICE, WEB), Reason.NEW),
            leaves("The server answers.", pong(WEB, OFFICE), Reason.ESTABLISHED),
            leaves("The server connects back.", outward.client("SYN"), Reason.NO_MATCHING_RULE),
        ),
        notice="The group has no outbound rule. Answers of tracked flows pass because their entry "
        "is there; outbound rules are asked only about what the instance begins.",
    )


def _payload_is_inspected() -> Story:
    web, ssh = connection(VISITOR, WEB), connection(VISITOR, WEB, client_port=40001)
    return Story(
        name="payload-is-inspected",
        title="“A rule for HTTPS lets only HTTPS through.”",
        network=scene(groups={"web": ["in tcp/443 0.0.0.0/0"]}, interfaces={"web": f"{WEB} web"}),
        steps=(
            comes("A browser connects to 443.", web.client("SYN"), Reason.NEW),
            leaves("server: SYN-ACK", web.server("SYN ACK"), Reason.ESTABLISHED),
            comes("It says: TLS hello.", web.client("PSH ACK", 517), Reason.ESTABLISHED),
            comes("An SSH client connects to 443.", ssh.client("SYN"), Reason.NEW),
            leaves("server: SYN-ACK", ssh.server("SYN ACK"), Reason.ESTABLISHED),
            comes("It says: SSH-2.0.", ssh.client("PSH ACK", 21), Reason.ESTABLISHED),
        ),
        notice="HTTPS is a name for port 443. Whoever runs another service there, or a tunnel, is "
        "let through as well: to look inside takes another tool.",
    )


def _state_lasts_for_ever() -> Story:
    talk = connection(OFFICE, WEB, 22)
    return Story(
        name="state-lasts-for-ever",
        title="“What was allowed once stays allowed.”",
        network=scene(
            groups={"web": ["in tcp/22 203.0.113.1/32", "out udp/53 203.0.113.53/32"]},
            interfaces={"web": f"{WEB} web"},
        ),
        steps=(
            leaves("The server asks a DNS.", datagram(WEB, "203.0.113.53", 53), Reason.NEW),
            after(29.998),
            comes(
                "The answer comes just in time.",
                datagram("203.0.113.53", WEB, 40000, source_port=53),
                Reason.ESTABLISHED,
            ),
            after(30),
            comes(
                "A second one comes too late.",
                datagram("203.0.113.53", WEB, 40000, source_port=53),
                Reason.NO_MATCHING_RULE,
            ),
            comes("client: SYN", talk.client("SYN"), Reason.NEW),
            leaves("server: SYN-ACK", talk.server("SYN ACK"), Reason.ESTABLISHED),
            comes("client: ACK", talk.client("ACK"), Reason.ESTABLISHED),
            after(432_000),
            leaves("The server speaks first.", talk.server("PSH ACK", 9), Reason.NO_MATCHING_RULE),
            comes("The client speaks.", talk.client("PSH ACK", 9), Reason.MIDSTREAM),
        ),
        notice="Every entry has an idle timeout: 30 seconds for UDP with one answer, 180 for a UDP "
        "stream, and for established TCP 432,000 (5 days), or 350 on Nitro v6 instances. After "
        "that the server's segment is a question to the outbound rules. The client's is one to "
        "the inbound rules, which allow it: rules do not look at TCP flags.",
    )


def _groups_and_acls_behave_alike() -> Story:
    bad, good = connection("203.0.113.66", WEB), connection(VISITOR, WEB)
    return Story(
        name="groups-and-acls-behave-alike",
        title="“A group is an ACL on an instance.”",
        network=scene(
            groups={"web": ["in tcp/443 203.0.113.66/32", "in tcp/443 0.0.0.0/0", *OUT_ALL]},
            interfaces={"web": f"{WEB} web"},
            acls={
                "10.0.1": [
                    "in 90 deny tcp/443 203.0.113.66/32",
                    "in 100 allow tcp/443 0.0.0.0/0",
                    "out 100 allow tcp/1024-65535 0.0.0.0/0",
                ]
            },
        ),
        steps=(
            comes("A visitor connects.", good.client("SYN"), Reason.UNTRACKED),
            leaves("The server answers.", good.server("SYN ACK"), Reason.UNTRACKED),
            comes("A banned host connects.", bad.client("SYN"), Reason.NETWORK_ACL),
        ),
        notice="In the ACL the first entry that fits decides, so 90 comes before 100, and an entry "
        "may deny. In the group no rule can take away what another one gives, and their order "
        "means nothing. The ACL stands at the subnet's edge: between interfaces of one subnet "
        "it is not asked.",
    )


STORIES: Final = (
    _replies_need_outbound_rules(),
    _payload_is_inspected(),
    _state_lasts_for_ever(),
    _groups_and_acls_behave_alike(),
)
