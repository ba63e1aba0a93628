"""A journey's steps as the lines of an explanation.

Owns which facts stand under a step; the sentences are `wording`'s.
"""

from itertools import groupby
from typing import Final

from secgroup.decision import Decision, Reason
from secgroup.net.direction import Direction
from secgroup.policy.policy import InterfacePolicy
from secgroup.reference.endpoint import group_text, label_of
from secgroup.reference.explanation import AclLine, Line, Message, RuleLine
from secgroup.reference.journey import AtInterface, Journey, OnTheWay, Step
from secgroup.reference.ways import Ways
from secgroup.reference.wording import (
    entry_text,
    packet_text,
    rule_of,
    rule_text,
    tracking,
    wanted_text,
)

_CODES: Final = {
    Reason.NETWORK_ACL: "SUBNET_ACL_RESTRICTION",
    Reason.SOURCE_DEST_CHECK: "ENI_SOURCE_DEST_CHECK_RESTRICTION",
    Reason.NO_MATCHING_RULE: "ENI_SG_RULES_MISMATCH",
}


def tell(ways: Ways, journey: Journey) -> tuple[Message, ...]:
    """Return the packets of a journey, each with the lines of its way."""
    messages = []
    for leg, steps in groupby(journey.steps, key=lambda step: step.leg):
        lines = list(steps)
        messages.append(
            Message(
                leg=leg,
                text=packet_text(lines[0].packet),
                lines=tuple(line_of(ways, step) for step in lines),
            )
        )
    return tuple(messages)


def line_of(ways: Ways, step: Step) -> Line:
    """Return the line that tells one step."""
    if isinstance(step, OnTheWay):
        return Line(
            leg=step.leg,
            place=step.place,
            label=step.place,
            answer=step.answer,
            reason=step.code or ("ROUTE" if step.route is not None else "GATEWAY"),
            code=step.code,
            text=step.text if step.code is None else f"{step.code}: {step.text}",
        )
    policy = ways.policy.at(step.interface_id)
    decision = step.decision
    tracked, because = tracking(ways, step)
    return Line(
        leg=step.leg,
        place=step.interface_id,
        label=label_of(ways.network, policy.interface),
        direction=step.direction,
        answer=step.answer,
        reason=decision.reason.name,
        code=None if decision.accepted else _code_of(policy, step),
        text=f"{decision.verdict.value} {decision.reason.name}{_refusal(ways, policy, step)}",
        rules=_rules(ways, policy, decision),
        acl=_acl(policy, step),
        tracked=tracked,
        because=because,
    )


def _code_of(policy: InterfacePolicy, step: AtInterface) -> str:
    """Return EC2's explanation code for what an interface refuses."""
    if step.decision.reason is Reason.NO_MATCHING_RULE:
        if not policy.permissions[step.direction]:
            return "SG_HAS_NO_RULES"
        peer = (
            step.packet.source if step.direction is Direction.INGRESS else (step.packet.destination)
        )
        if not step.references_hold and policy.matching(step.packet, step.direction, peer):
            return "SG_REFERENCES_NOT_PRESERVED"
    return _CODES.get(step.decision.reason, step.decision.reason.name)


def _refusal(ways: Ways, policy: InterfacePolicy, step: AtInterface) -> str:
    """Return what is missing, behind the reason."""
    if step.decision.reason is Reason.NO_MATCHING_RULE:
        groups = [group_text(ways.network, each) for each in policy.interface.group_ids]
        ingress = step.direction is Direction.INGRESS
        word, peer = ("from", step.packet.source) if ingress else ("to", step.packet.destination)
        return (
            f": no {step.direction} rule of {' or '.join(groups) or 'any group'} allows "
            f"{wanted_text(step.packet)} {word} {peer}"
        )
    if step.decision.reason is Reason.SOURCE_DEST_CHECK:
        return ": the source/destination check is on, and the packet is not the interface's own"
    return ""


def _rules(ways: Ways, policy: InterfacePolicy, decision: Decision) -> tuple[RuleLine, ...]:
    found = []
    for rule_id in decision.rule_ids:
        rule = rule_of(ways.network, policy, rule_id)
        if rule is not None:
            found.append(
                RuleLine(
                    rule_id=rule_id,
                    group_id=rule.group_id,
                    group=group_text(ways.network, rule.group_id),
                    text=rule_text(ways.network, rule),
                )
            )
    return tuple(found)


def _acl(policy: InterfacePolicy, step: AtInterface) -> AclLine | None:
    acl_id, number = step.decision.network_acl_id, step.decision.acl_rule_number
    if acl_id is None or number is None:
        return None
    entry = next(
        (each for each in policy.acl_entries[step.direction] if each.rule_number == number), None
    )
    return AclLine(network_acl_id=acl_id, rule_number=number, text=entry_text(entry))
