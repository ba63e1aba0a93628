"""`explain`: does a connection work, hop by hop and back again, and if not, what would make it.

Owns the search for every layer that refuses, and the proof that the proposed changes suffice.
The way is `path`'s, the parts are `question`'s, the words are `wording`'s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from secgroup.decision import Reason
from secgroup.errors import InputError
from secgroup.model.network import Network
from secgroup.net.ports import PortRange, Traffic, parse_service
from secgroup.net.protocol import icmp_of
from secgroup.reference.alike import alike
from secgroup.reference.box import parts_text
from secgroup.reference.change import AddAclEntry, Change
from secgroup.reference.endpoint import OutsideEnd, parse_literal
from secgroup.reference.explanation import Block, Explanation, Outcome
from secgroup.reference.journey import Answer, AtInterface, Journey, Leg, OnTheWay, Step
from secgroup.reference.lift import Wanted, lift
from secgroup.reference.memory import AS_DOCUMENTED, Switches
from secgroup.reference.question import Pair, Part, Question, decide_pair, pairs_of
from secgroup.reference.telling import line_of, tell
from secgroup.reference.ways import Ways
from secgroup.reference.wording import nearest

#: Refusals that are looked at before the search is given up.
MOST_BLOCKS: Final = 64
#: So many pairs are decided one by one.
FEW_PAIRS: Final = 32


def explain(
    network: Network,
    *,
    source: str,
    destination: str,
    protocol: str | int = "all",
    port: int | None = None,
    service: str | Traffic | None = None,
    ipv6: bool = False,
    client_ports: PortRange | None = None,
    switches: Switches = AS_DOCUMENTED,
) -> Explanation:
    """Explain whether `source` can open a connection to `destination`, and why.

    Parameters
    ----------
    network : Network
        From `secgroup.load`.
    source, destination : str
        An interface, instance, name, logical id, address, group, `internet` (every public
        address outside of the network) or `internet:ADDRESS`.
    protocol, port
        `tcp` and 5432; a number; `all`.
    service : str or Traffic, optional
        Instead of both: `tcp/8000-8080`, `icmp/3/4`, `all`.
    ipv6 : bool
        Ask about IPv6 addresses; one in `source` or `destination` says so by itself.
    client_ports : PortRange, optional
        The ports that answers go to; by default 1024-65535 for the internet, NAT gateways,
        load balancers and Lambda, else 32768-60999.

    Raises
    ------
    InputError
        An end or the service means nothing, or an end means several things.

    """
    traffic = _service(protocol, port, service)
    question = Question(
        source=source,
        destination=destination,
        service=traffic,
        family=_family(traffic, source, destination, ipv6=ipv6),
        client_ports=client_ports,
    )
    return ask(network, question, switches=switches)


def ask(network: Network, question: Question, *, switches: Switches = AS_DOCUMENTED) -> Explanation:
    """Answer a question about a network.

    Raises
    ------
    InputError
        An end of it means nothing or several things.

    """
    found = question.endpoints(network)
    ways = Ways(network, switches=switches)
    clients = question.ports_of(found[0])
    decided = [
        (pairs, list(decide_pair(ways, pairs[0], question.service, clients)))
        for pairs in _classes(network, pairs_of(*found))
    ]
    answer = _answer(part.journey for _, parts in decided for part in parts)
    notes = tuple(
        f"without {', '.join(end.left_out)}: no IPv{question.family} address"
        for end in found
        if end.left_out
    )
    blocks: tuple[Block, ...] = ()
    changes: tuple[Change, ...] = ()
    if answer is not Answer.YES:
        blocks, changes, proof = _remedy(ways, question)
        if answer is Answer.NO and proof is Answer.UNKNOWN:
            notes += ("with the changes below the answer would be unknown, not yes",)
        notes += tuple(
            f"the changes are for {each.label} alone"
            for end in found
            for each in end.ends
            if changes and isinstance(each, OutsideEnd) and each.is_single
        )
    return Explanation(
        source=found[0].label,
        destination=found[1].label,
        service=str(question.service),
        client_ports=str(clients),
        family=question.family,
        answer=answer,
        outcomes=_outcomes(ways, decided, question),
        blocks=blocks,
        changes=changes,
        notes=notes,
    )


def _service(protocol: str | int, port: int | None, service: str | Traffic | None) -> Traffic:
    if isinstance(service, Traffic):
        return service
    if service is not None:
        return parse_service(service)
    name = str(protocol)
    return parse_service(name if port is None else f"{name}/{port}")


def _family(service: Traffic, source: str, destination: str, *, ipv6: bool) -> int:
    """Return the family that is asked about: that of an address, or of ICMP, where one is given."""
    said = [
        (each.version, str(each))
        for each in map(parse_literal, (source, destination))
        if each is not None
    ]
    said += [(family, str(service)) for family in (4, 6) if service.protocol == icmp_of(family)]
    if ipv6:
        said.append((6, "-6"))
    families = dict(said)
    if len(families) > 1:
        raise InputError(
            f"{families[4]} is of IPv4 and {families[6]} of IPv6 (expected one of both)"
        )
    return next(iter(families), 4)


def _classes(network: Network, pairs: Sequence[Pair]) -> Sequence[Sequence[Pair]]:
    """Put pairs together that are alike, where there are so many that it is worth looking."""
    return [(pair,) for pair in pairs] if len(pairs) <= FEW_PAIRS else alike(network, pairs)


def _answer(journeys: Iterable[Journey]) -> Answer:
    answer = Answer.YES
    for journey in journeys:
        if journey.answer is Answer.NO:
            return Answer.NO
        if journey.answer is Answer.UNKNOWN:
            answer = Answer.UNKNOWN
    return answer


# ------------------------------------------------------------------------------ outcomes


def _outcomes(
    ways: Ways, decided: Sequence[tuple[Sequence[Pair], list[Part]]], question: Question
) -> tuple[Outcome, ...]:
    """Put together what meets the same; refusals come first.

    Parameters
    ----------
    decided : sequence of pair
        Pairs that are alike, and the parts of the first of them.

    """
    found: dict[
        tuple[tuple[object, ...], tuple[str, ...]], list[tuple[Sequence[Pair], list[Part]]]
    ] = {}
    for pairs, parts in decided:
        by_key: dict[tuple[object, ...], list[Part]] = {}
        for part in parts:
            by_key.setdefault(_key(part.journey), []).append(part)
        for key, same in by_key.items():
            texts = _parts_text(pairs[0], same, parts, question)
            found.setdefault((key, texts), []).append((pairs, same))
    order = {Answer.NO: 0, Answer.UNKNOWN: 1, Answer.YES: 2}
    outcomes = [
        Outcome(
            answer=members[0][1][0].journey.answer,
            pairs=tuple(
                (source.label, destination.label)
                for pairs, _ in members
                for source, destination in pairs
            ),
            parts=texts,
            messages=tell(ways, members[0][1][0].journey),
        )
        for (_, texts), members in found.items()
    ]
    return tuple(sorted(outcomes, key=lambda each: order[each.answer]))


def _parts_text(
    pair: Pair, same: list[Part], every: list[Part], question: Question
) -> tuple[str, ...]:
    outside = next((end.label for end in pair if isinstance(end, OutsideEnd)), None)
    boxes, all_boxes = [each.box for each in same], [each.box for each in every]
    return parts_text(boxes, all_boxes, question.family, outside)


def _key(journey: Journey) -> tuple[object, ...]:
    """Return what makes an outcome distinct: what refuses, or the reasons of a yes.

    The end of a handshake, which only TCP has, is not one.
    """
    conversation = journey.conversation
    if journey.answer is Answer.YES:
        steps: Iterable[Step] = (
            step
            for step in journey.steps
            if isinstance(step, AtInterface) and step.leg is not Leg.AGAIN
        )
    else:
        steps = (step for step in journey.steps if step.answer is journey.answer)
    return tuple(_step_key(step, conversation.destination_id) for step in steps)


def _step_key(step: Step, destination_id: str | None) -> tuple[object, ...]:
    """Return what a refusal is, the same for two members of a group in the same case."""
    if isinstance(step, OnTheWay):
        return (step.leg, step.place, step.code)
    decision = step.decision
    refusal = (decision.network_acl_id, decision.acl_rule_number) if not decision.accepted else ()
    role = "destination" if step.interface_id == destination_id else "other"
    return (step.leg, role, step.direction, decision.reason, *refusal)


# ------------------------------------------------------------------------------ remedies


def _remedy(ways: Ways, question: Question) -> tuple[tuple[Block, ...], tuple[Change, ...], Answer]:
    """Find every layer that refuses, by lifting one after the other on a hypothetical network.

    Returns
    -------
    tuple
        The layers; the changes which together make the answer yes, empty when they do not; and
        what the answer is when all that was found is changed.

    """
    now = ways
    blocks: list[Block] = []
    changes: list[Change] = []
    known: set[tuple[object, ...]] = set()
    last: tuple[tuple[object, ...], Ways, list[Change]] | None = None
    while len(blocks) < MOST_BLOCKS:
        refusal = _first_refusal(now, question, known)
        if refusal is None:
            break
        step, wanted = refusal
        key = _refusal_key(step)
        if last is not None and last[0] == (key, wanted.boxes):
            # What was changed for it has not lifted it: take it back, and leave it at that.
            _, now, changes = last
            blocks[-1] = replace(blocks[-1], change=None)
            known.add(key)
            last = None
            continue
        change = lift(now, wanted, step)
        miss = None
        if isinstance(step, AtInterface) and step.decision.reason is Reason.NO_MATCHING_RULE:
            miss = nearest(now, step, wanted.traffic_of(now, step.leg, step.packet))
        blocks.append(
            Block(
                line=line_of(now, step),
                nearest=None if miss is None else str(miss),
                change=change,
            )
        )
        if change is None or change in changes:
            known.add(key)
        else:
            last = ((key, wanted.boxes), now, changes)
            changes = [each for each in changes if not _supersedes(change, each)] + [change]
            now = Ways(change.apply(now.network), switches=ways.switches)
    proof = _answer_with(ways, question, changes) if changes else Answer.NO
    needed = _needed(ways, question, changes) if proof is Answer.YES else []
    return tuple(blocks), tuple(needed), proof


def _needed(ways: Ways, question: Question, changes: list[Change]) -> list[Change]:
    """Leave out every change that the others make superfluous."""
    for change in tuple(changes) if len(changes) > 1 else ():
        others = [each for each in changes if each != change]
        if _answer_with(ways, question, others) is Answer.YES:
            changes = others
    return changes


def _first_refusal(
    ways: Ways, question: Question, known: set[tuple[object, ...]]
) -> tuple[Step, Wanted] | None:
    """Return a refusal that is not known yet, and the part of the question that meets it."""
    source, destination = question.endpoints(ways.network)
    clients = question.ports_of(source)
    for pair, *_ in _classes(ways.network, pairs_of(source, destination)):
        parts = list(decide_pair(ways, pair, question.service, clients, go_on=True))
        first = None
        boxes = []
        for part in parts:
            for step in part.journey.refusals:
                key = _refusal_key(step)
                if key not in known and (first is None or key == _refusal_key(first)):
                    first = first or step
                    boxes.append(part.box)
        if first is not None:
            wanted = Wanted(
                source=source,
                destination=destination,
                service=question.service,
                client_ports=clients,
                boxes=tuple(boxes),
            )
            return first, wanted
    return None


def _refusal_key(step: Step) -> tuple[object, ...]:
    is_back = step.leg is Leg.BACK
    if isinstance(step, OnTheWay):
        return (is_back, step.place, step.code)
    decision = step.decision
    return (is_back, step.interface_id, step.direction, decision.reason, decision.acl_rule_number)


def _supersedes(new: Change, old: Change) -> bool:
    """Tell whether an entry does what an earlier one did, from an earlier place in its ACL."""
    return (
        isinstance(new, AddAclEntry)
        and isinstance(old, AddAclEntry)
        and new.network_acl_id == old.network_acl_id
        and new.entry.is_egress == old.entry.is_egress
        and new.entry.traffic == old.entry.traffic
        and new.entry.cidr == old.entry.cidr
    )


def _answer_with(ways: Ways, question: Question, changes: Iterable[Change]) -> Answer:
    """Decide everything again, on the network with the changes and nothing else."""
    network = ways.network
    for change in changes:
        network = change.apply(network)
    changed = Ways(network, switches=ways.switches)
    source, destination = question.endpoints(network)
    clients = question.ports_of(source)
    return _answer(
        part.journey
        for pair, *_ in _classes(network, pairs_of(source, destination))
        for part in decide_pair(changed, pair, question.service, clients)
    )
