"""What a plane that starts again finds in force, recognised as what it would have written.

Owns when a row that was read is the row that a plan asks for. Rows do not change while a word
names them, so that their forms say it; only a table of addresses does, and one that has been
recognised is known by what it is and not by what was read.
"""

from collections.abc import Callable
from typing import Final

from secgroup.dataplane.bpf.change import Change, Region
from secgroup.dataplane.bpf.forms import SectionForm
from secgroup.dataplane.bpf.parts import AddressPart, Part, SectionPart
from secgroup.dataplane.bpf.plans import InterfacePlan, interface_form
from secgroup.dataplane.bpf.policy_parts import PolicyPart
from secgroup.dataplane.bpf.reading import Reading
from secgroup.dataplane.bpf.sections import SectionPlan, section_form

Know = Callable[[Part], None]


def recognise(
    found: Reading,
    before: PolicyPart,
    plan: InterfacePlan,
    region: Region,
    change: Change,
    know: Know,
) -> bool:
    """Tell whether what is in force at an interface is what a plan asks for.

    Parts that are so are known from now on, whatever the answer.
    """
    pairs = zip((*plan.rules, *plan.acl), (*before.rules, *before.acl), strict=True)
    # All of them: a part that is as it should be need not be written again.
    same = [_is_section(found, wanted, here, region, change, know) for wanted, here in pairs]
    same += [_is_same(each, change, know) for each in (before.subnet, before.own)]
    there = found.form(before)._replace(rules=(), acl=(), allowance=plan.allowance)
    return all(same) and there == interface_form(plan, _no_form)._replace(rules=(), acl=())


def _is_same(part: Part, change: Change, know: Know) -> bool:
    """Know a part that is compared by its value."""
    known = change.known(part.key)
    if known is None:
        know(part)
        change.recognised.append(part)
    return known is None or known is part


def _is_section(
    found: Reading,
    wanted: SectionPlan,
    here: SectionPart,
    region: Region,
    change: Change,
    know: Know,
) -> bool:
    known = change.known(wanted)
    if known is not None:
        return known is here
    if change.known(here.key) is here:
        return False
    table, ports = change.known(wanted.addresses), change.known(wanted.ports)
    if table is None:
        if change.known(here.addresses.key) is here.addresses:
            return False
        classes = wanted.addresses.classes(region.peers)
        content = (here.addresses.classes.content, here.addresses.classes.elsewhere)
        if content != (classes.content, classes.elsewhere):
            return False
    elif isinstance(table, AddressPart) and table is here.addresses:
        classes = table.classes
    else:
        return False
    if ports is not here.ports and (
        ports is not None or change.known(here.ports.key) is here.ports
    ):
        return False
    if _rest(section_form(wanted, classes)) != _rest(found.sections[here]):
        return False
    if table is None:
        here.addresses.recognise(wanted.addresses, classes, region.name)
    here.ports.key = here.ports.plan = wanted.ports
    here.key = here.plan = wanted
    for part in (here.addresses, here.ports, here):
        if change.known(part.key) is not part:
            know(part)
            change.recognised.append(part)
    return True


_NOWHERE: Final[dict[int, int]] = {}


def _rest(form: SectionForm) -> SectionForm:
    """Return a form without what a table of addresses says."""
    return form._replace(elsewhere=0, blocks=_NOWHERE)


def _no_form(_: SectionPlan) -> SectionForm:
    return SectionForm(0, (), (), None, 0, 0, 0, _NOWHERE, ())
