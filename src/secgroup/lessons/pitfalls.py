"""How good intentions go wrong."""

from typing import Final

from secgroup.decision import Reason
from secgroup.lessons.scene import scene
from secgroup.lessons.story import Story
from secgroup.lessons.talk import connection
from secgroup.lessons.telling import OFFICE, VISITOR, WEB, comes, leaves, now


def _blocking_replies() -> Story:
    talk, later = connection(VISITOR, WEB), connection(VISITOR, WEB, client_port=40001)
    interfaces = {"web": f"{WEB} web"}
    return Story(
        name="blocking-replies",
        title="Taking the outbound rule away under an open port",
        network=scene(
            groups={"web": ["in tcp/443 0.0.0.0/0", "out all 0.0.0.0/0"]}, interfaces=interfaces
        ),
        steps=(
            comes("client: SYN", talk.client("SYN"), Reason.UNTRACKED),
            leaves("server: SYN-ACK", talk.server("SYN ACK"), Reason.UNTRACKED),
            comes("client: ACK", talk.client("ACK"), Reason.UNTRACKED),
            now(
                "Somebody removes the outbound rule: “replies need none”.",
                scene(groups={"web": ["in tcp/443 0.0.0.0/0"]}, interfaces=interfaces),
            ),
            leaves("server: a page", talk.server("PSH ACK", 1400), Reason.NO_MATCHING_RULE),
            comes("Another client connects.", later.client("SYN"), Reason.NEW),
            leaves("server: SYN-ACK", later.server("SYN ACK"), Reason.ESTABLISHED),
        ),
        notice="A port that is open to everyone, with everything open the other way, is not "
        "tracked: its answers pass by the outbound rule, and without that rule they stop at "
        "once. New connections are tracked from then on and need no outbound rule. So the rule "
        "may go, but the connections of the moment go with it.",
    )


def _relying_on_groups_against_malware() -> Story:
    visit, home = connection(VISITOR, WEB), connection(WEB, "203.0.113.66")
    return Story(
        name="relying-on-groups-against-malware",
        title="Relying on groups against malware",
        network=scene(
            groups={"web": ["in tcp/443 0.0.0.0/0", "out tcp/443 0.0.0.0/0"]},
            interfaces={"web": f"{WEB} web"},
        ),
        steps=(
            comes("An attacker connects.", visit.client("SYN"), Reason.NEW),
            leaves("server: SYN-ACK", visit.server("SYN ACK"), Reason.ESTABLISHED),
            comes("He sends an exploit.", visit.client("PSH ACK", 900), Reason.ESTABLISHED),
            leaves("His program calls home.", home.client("SYN"), Reason.NEW),
            comes("Home answers.", home.server("SYN ACK"), Reason.ESTABLISHED),
            leaves("It takes your data there.", home.client("PSH ACK", 1400), Reason.ESTABLISHED),
        ),
        notice="Every packet was allowed, and rightly so by the rules. A group narrows who can "
        "talk to whom, and so how far an intruder gets; it does not know an intruder. Narrow "
        "outbound rules do more here than any inbound one.",
    )


def _copying_rules_in_both_directions() -> Story:
    ssh, out = connection(OFFICE, WEB, 22), connection(WEB, "203.0.113.66", 22)
    answer = connection(VISITOR, WEB, 443)
    return Story(
        name="copying-rules-in-both-directions",
        title="Copying every inbound rule to the outbound side",
        network=scene(
            groups={
                "web": [
                    "in tcp/22 203.0.113.0/24",
                    "in tcp/443 198.51.100.0/24",
                    "out tcp/22 203.0.113.0/24",
                    "out tcp/443 198.51.100.0/24",
                ]
            },
            interfaces={"web": f"{WEB} web"},
        ),
        steps=(
            comes("The office connects.", ssh.client("SYN"), Reason.NEW),
            leaves("The server answers.", ssh.server("SYN ACK"), Reason.ESTABLISHED),
            comes("A visitor connects.", answer.client("SYN"), Reason.NEW),
            leaves("The server answers.", answer.server("SYN ACK"), Reason.ESTABLISHED),
            leaves("The server opens SSH to somebody else.", out.client("SYN"), Reason.NEW),
        ),
        notice="The copied rules carried none of the answers: those go to the clients' ports and "
        "pass by their entries. What the copies do is let the server itself open SSH and HTTPS "
        "to those networks, which nobody wanted.",
    )


STORIES: Final = (
    _blocking_replies(),
    _relying_on_groups_against_malware(),
    _copying_rules_in_both_directions(),
)
