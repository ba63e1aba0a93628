"""The subject in seven steps, each a story."""

from typing import Final

from secgroup.decision import Reason
from secgroup.lessons.scene import scene
from secgroup.lessons.story import Story
from secgroup.lessons.talk import connection
from secgroup.lessons.telling import (
    DATABASE,
    OFFICE,
    VISITOR,
    WEB,
    after,
    comes,
    crosses,
    leaves,
    now,
)


def _what_a_group_is() -> Story:
    https, ssh = connection(VISITOR, WEB), connection(OFFICE, WEB, 22)
    stranger, database = connection(VISITOR, WEB, 22), connection(OFFICE, WEB, 3306)
    return Story(
        name="what-a-group-is",
        title="A group is a list of what may pass, on a network interface",
        network=scene(
            groups={
                "web": ["in tcp/443 198.51.100.0/24"],
                "admin": ["in tcp/22 203.0.113.0/24"],
            },
            interfaces={"web": f"{WEB} web admin"},
        ),
        steps=(
            comes("A visitor opens HTTPS.", https.client("SYN"), Reason.NEW),
            comes("The office opens SSH.", ssh.client("SYN"), Reason.NEW),
            comes("The visitor tries SSH.", stranger.client("SYN"), Reason.NO_MATCHING_RULE),
            comes("The office tries MySQL.", database.client("SYN"), Reason.NO_MATCHING_RULE),
        ),
        notice="There are only rules that allow, and no order among them. What both groups of the "
        "interface allow is added up; what nobody allows is refused. The visitor's SSH meets a "
        "rule for port 22, but not for his address: a rule must fit in every part.",
    )


def _stateful_against_stateless() -> Story:
    first, second = connection(VISITOR, WEB), connection(VISITOR, WEB, client_port=40001)
    groups = {"web": ["in tcp/443 198.51.100.0/24"]}
    one_way = ["in 100 allow tcp/443 0.0.0.0/0"]
    both_ways = [*one_way, "out 100 allow tcp/1024-65535 0.0.0.0/0"]
    interfaces = {"web": f"{WEB} web"}
    return Story(
        name="stateful-against-stateless",
        title="A group remembers, an ACL does not",
        network=scene(groups=groups, interfaces=interfaces, acls={"10.0.1": one_way}),
        steps=(
            comes("A visitor opens HTTPS.", first.client("SYN"), Reason.NEW),
            leaves("The server answers.", first.server("SYN ACK"), Reason.NETWORK_ACL),
            now(
                "Somebody adds the ephemeral ports to the ACL, outwards.",
                scene(groups=groups, interfaces=interfaces, acls={"10.0.1": both_ways}),
            ),
            comes("The visitor tries again.", second.client("SYN"), Reason.NEW),
            leaves("The server answers.", second.server("SYN ACK"), Reason.ESTABLISHED),
        ),
        notice="The group has no outbound rule at all, and its side of the answer is ESTABLISHED. "
        "The ACL judges every packet alone, so it needs an entry for each direction; the answer "
        "goes to the port that the client chose.",
    )


def _how_tracking_works() -> Story:
    talk, again = connection(VISITOR, WEB), connection(VISITOR, WEB)
    again.next[:] = [500_000, 700_000]
    return Story(
        name="how-tracking-works",
        title="An entry is made, moves from state to state, and goes",
        network=scene(
            groups={"web": ["in tcp/443 198.51.100.0/24"]}, interfaces={"web": f"{WEB} web"}
        ),
        steps=(
            comes("client: SYN", talk.client("SYN"), Reason.NEW),
            leaves("server: SYN-ACK", talk.server("SYN ACK"), Reason.ESTABLISHED),
            comes("client: ACK", talk.client("ACK"), Reason.ESTABLISHED),
            comes("client: a request", talk.client("PSH ACK", 120), Reason.ESTABLISHED),
            leaves("server: a page", talk.server("PSH ACK", 1400), Reason.ESTABLISHED),
            comes("client: FIN", talk.client("FIN ACK"), Reason.ESTABLISHED),
            leaves("server: ACK", talk.server("ACK"), Reason.ESTABLISHED),
            leaves("server: FIN", talk.server("FIN ACK"), Reason.ESTABLISHED),
            comes("client: the last ACK", talk.client("ACK"), Reason.ESTABLISHED),
            after(119),
            leaves("server: a late segment", talk.server("ACK"), Reason.ESTABLISHED),
            after(121),
            leaves("server: a later one", talk.server("ACK"), Reason.NO_MATCHING_RULE),
            comes("client: SYN, again", again.client("SYN"), Reason.NEW),
        ),
        notice="Only the first packet met a rule. The entry is named by both addresses, both ports "
        "and the protocol; its state decides how long it may be idle (in TIME_WAIT 120 seconds, as "
        "Linux has it: AWS does not say), "
        "and every packet through it starts that time anew. When it is gone, packets are judged "
        "by the rules again, each in its own direction.",
    )


def _inbound_against_outbound() -> Story:
    out, back = connection(WEB, VISITOR), connection(VISITOR, WEB, 22)
    return Story(
        name="inbound-against-outbound",
        title="The direction of the first packet says which rules are asked",
        network=scene(
            groups={"web": ["out tcp/443 198.51.100.0/24"]}, interfaces={"web": f"{WEB} web"}
        ),
        steps=(
            leaves("The server fetches an update.", out.client("SYN"), Reason.NEW),
            comes("The mirror answers.", out.server("SYN ACK"), Reason.ESTABLISHED),
            leaves("The server acknowledges.", out.client("ACK"), Reason.ESTABLISHED),
            comes("The mirror opens SSH back.", back.client("SYN"), Reason.NO_MATCHING_RULE),
        ),
        notice="There is no inbound rule, and the answer comes in all the same: it belongs to a "
        "flow that the outbound rule admitted. The same host's own attempt does not: a new flow "
        "inwards is a question to the inbound rules.",
    )


def _what_statefulness_does_to_design() -> Story:
    query = connection(WEB, DATABASE, 5432)
    stolen = connection(DATABASE, VISITOR)
    visitor = connection(VISITOR, DATABASE, 5432)
    return Story(
        name="what-it-does-to-design",
        title="Rules say who may begin; answers need none",
        network=scene(
            groups={
                "web": ["in tcp/443 0.0.0.0/0", "out tcp/5432 database"],
                "database": ["in tcp/5432 web"],
            },
            interfaces={"web": f"{WEB} web", "database": f"{DATABASE} database"},
        ),
        steps=(
            *crosses(
                "web asks the database.",
                query.client("SYN"),
                by="web",
                leaving=Reason.NEW,
                to="database",
                arriving=Reason.NEW,
            ),
            *crosses(
                "The database answers.",
                query.server("SYN ACK"),
                by="database",
                leaving=Reason.ESTABLISHED,
                to="web",
                arriving=Reason.ESTABLISHED,
            ),
            leaves(
                "The database calls home.",
                stolen.client("SYN"),
                Reason.NO_MATCHING_RULE,
                by="database",
            ),
            comes(
                "A visitor knocks at the database.",
                visitor.client("SYN"),
                Reason.NO_MATCHING_RULE,
                to="database",
            ),
        ),
        notice="The database has one rule: from whoever carries the group web. It has no outbound "
        "rule, answers every query, and cannot open a connection of its own. A reference to a "
        "group follows its members, wherever their addresses go.",
    )


def _payload_is_never_looked_at() -> Story:
    page, worm = connection(VISITOR, WEB), connection(VISITOR, WEB, client_port=40001)
    return Story(
        name="payload-is-never-looked-at",
        title="Addresses, protocol, ports: nothing else is read",
        network=scene(
            groups={"web": ["in tcp/443 198.51.100.0/24"]}, interfaces={"web": f"{WEB} web"}
        ),
        steps=(
            comes("A browser connects.", page.client("SYN"), Reason.NEW),
            leaves("Welcome.", page.server("SYN ACK"), Reason.ESTABLISHED),
            comes("It asks for a page.", page.client("PSH ACK", 300), Reason.ESTABLISHED),
            comes("A worm connects.", worm.client("SYN"), Reason.NEW),
            leaves("Welcome.", worm.server("SYN ACK"), Reason.ESTABLISHED),
            comes("It sends an exploit.", worm.client("PSH ACK", 300), Reason.ESTABLISHED),
        ),
        notice="Both conversations got the same answers, packet by packet. To the firewall they "
        "are the same: it has no field for what the bytes mean, and what is inside TLS it could "
        "not read anyway.",
    )


def _where_the_state_lives() -> Story:
    talk = connection(VISITOR, WEB)
    request = talk.client("SYN")
    return Story(
        name="where-the-state-lives",
        title="The table belongs to the instance, outside of it",
        network=scene(
            groups={"front": ["in tcp/443 198.51.100.0/24"], "back": ["in tcp/9100 10.0.0.0/16"]},
            interfaces={"web-1": f"{WEB} front", "web-2": "10.0.3.10 back"},
            unchecked=("web-2",),
        ),
        steps=(
            comes("A visitor connects to web-1.", request, Reason.NEW, to="web-1"),
            leaves(
                "The instance answers through its other interface.",
                talk.server("SYN ACK"),
                Reason.ESTABLISHED,
                by="web-2",
            ),
            comes("client: ACK", talk.client("ACK"), Reason.ESTABLISHED, to="web-1"),
            after(86_400),
            leaves(
                "The instance was rebooted a day later, and still sends.",
                talk.server("PSH ACK", 10),
                Reason.ESTABLISHED,
                by="web-1",
            ),
        ),
        notice="web-1 and web-2 are interfaces of one instance and share its table, so an answer "
        "may leave by the other one where its source/destination check is off. Nothing that "
        "happens inside of the instance, a reboot or its own firewall, touches the table.",
    )


STORIES: Final = (
    _what_a_group_is(),
    _stateful_against_stateless(),
    _how_tracking_works(),
    _inbound_against_outbound(),
    _what_statefulness_does_to_design(),
    _payload_is_never_looked_at(),
    _where_the_state_lives(),
)
