"""`python -m tests.conformance.mutants`: wrong kernel programs, and whether the traces notice.

A mutant is a text of one C file replaced: a step left out, a bound moved, a cell of a grid
changed. Each is built by clang, loaded and judged by generated traces until it parts from the
definition; exit 1 if one does not.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from secgroup.conntrack import icmp, other, tcp, udp
from secgroup.conntrack.grid import Side
from secgroup.conntrack.state import State
from secgroup.dataplane.bpf.loaded import Committed, Loaded, committed
from secgroup.engine.layout import STATES
from secgroup.engine.machine import EVENTS, ICMP_EVENT, MACHINE, OTHER_EVENT, UDP_EVENT
from secgroup.errors import DataPlaneError

SOURCES: Final = (
    Path(__file__).resolve().parents[2] / "src" / "secgroup" / "dataplane" / "bpf" / "src"
)
#: Traces that a mutant is judged by, at most, and packets of each.
TRACES, EACH = 24, 2500


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A text that stands in a file exactly once, and what stands there instead."""

    name: str
    file: str
    old: str
    new: str

    def source(self) -> str:
        """Return the changed file.

        Raises
        ------
        ValueError
            The text does not stand there once any more.

        """
        before = (SOURCES / self.file).read_text()
        if before.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.old!r} is {before.count(self.old)} times there")
        return before.replace(self.old, self.new)


def _of(file: str, *changes: tuple[str, str, str]) -> tuple[Mutant, ...]:
    return tuple(
        Mutant(name=name, file=f"{file}.h", old=old, new=new) for name, old, new in changes
    )


MUTANTS: Final = (
    *_of(
        "parse",
        ("TCP header of 16 octets is one", "tcp->size >> 4 < 5", "tcp->size >> 4 < 4"),
        ("fragment over flags of TCP", "offset > 0 && offset < TCP_HEADER", "0"),
        ("ninth extension header", "walked == MOST_EXTENSIONS || at", "at"),
        ("atomic fragment is a fragment", "bpf_htons(0xfff9)", "bpf_htons(0xffff)"),
        ("payload without options", "(tcp->size >> 4) * 4, before", "20, before"),
    ),
    *_of(
        "steps",
        ("neighbours from afar", "packet->hop_limit == 255", "packet->hop_limit >= 254"),
        ("multicast is unicast", "to >> 28 != 14", "to >> 28 != 15"),
        ("broadcast is unicast", "!(subnet->broadcast && to == subnet->broadcast)", "true"),
        (
            "no source/destination check",
            "if (policy->source_dest_check && !is_own(",
            "if (0 && !is_own(",
        ),
        ("exempt services are not logged", "if (exempt == 1)", "if (exempt)"),
        (
            "egress ACL before the groups",
            "passage->acl < 0 && direction == INGRESS",
            "passage->acl < 0",
        ),
        (
            "ACL inside the subnet",
            "if (is_in_subnet(subnet, packet->family,",
            "if (0 && is_in_subnet(subnet, packet->family,",
        ),
        (
            "refused packet leaves a state",
            "	passage->answer.state_after = passage->answer.state_before;\n	return false;",
            "	return false;",
        ),
        (
            "finished connection keeps its name",
            "alive && !(STATE_OF(memory) == STATE_TIME_WAIT && is_bare_syn(packet))",
            "alive",
        ),
        ("allowance is one less", "+ weight <= row->allowance", "+ weight < row->allowance"),
        (
            "own place does not count",
            "row->weight - weight_of(memory) + weight",
            "row->weight + weight",
        ),
        ("refused openers are not counted", "__sync_fetch_and_add(&row->exceeded, 1);", ""),
        ("strict is not", "if (policy->strict_tcp)", "if (0)"),
        ("loose is not", "!policy->loose_tcp || !state", "1"),
        ("groups that are not there", "if (!policy->carries_groups)", "if (0)"),
        (
            "error in a fragment",
            "!(packet->shape & IS_FIRST_FRAGMENT) &&\n	    is_related",
            "is_related",
        ),
    ),
    *_of(
        "related",
        ("error to anybody", "packet->destination_lo != quote->source_lo", "0"),
        ("error about an error", " || is_icmp_error(quote)", ""),
        ("opener from an open port is an answer", "is_bare_syn(packet) || ", ""),
        ("always tracked is untracked", " || asked->weight)", ")"),
        (
            "any error is about path MTU",
            "packet->icmp_type == 3 && packet->icmp_code == 4",
            "packet->icmp_type == 3",
        ),
    ),
    *_of(
        "connections",
        ("lives a millisecond longer", "< timeout_ms(memory)", "<= timeout_ms(memory)"),
        ("families share names", "(packet->family == 6 ? IPV6 : 0)", "0"),
        ("query of either side", "(kind ^ direction)", "kind"),
        ("UDP steps as others do", "return UDP_EVENT;", "return OTHER_EVENT;"),
        ("ICMP steps as others do", "? ICMP_EVENT : OTHER_EVENT", "? OTHER_EVENT : OTHER_EVENT"),
        ("others step as ICMP does", "? ICMP_EVENT : OTHER_EVENT", "? ICMP_EVENT : ICMP_EVENT"),
        (
            "TCP steps without FIN",
            "machine_events[packet->tcp_flags]",
            "machine_events[packet->tcp_flags & ~TCP_FIN]",
        ),
        ("sides are one", "((side & 1) * EVENTS + event)", "(event)"),
        ("any reset is exact", "event == EVENT_RST && !is_exact(packet, entry, memory, side)", "0"),
        ("refusal without its ACK", "packet->acknowledgement == entry->next[0]", "true"),
        ("positions go back", "return ahead > 0 && ahead < 0x80000000;", "return true;"),
        (
            "handshake does not begin anew",
            "packet->tcp_flags & TCP_SYN && machine_handshake",
            "0 && machine_handshake",
        ),
        ("resets move positions", " || packet->tcp_flags & TCP_RST)", ")"),
        ("packets refresh nothing", "if (after && entry->last_ms != now_ms)", "if (0)"),
        ("two entries are one", "(weight == 2 ? WEIGHT_TWO : 0)", "0"),
        ("openers have no direction", "(passage->direction == EGRESS ? OPENED_EGRESS : 0)", "0"),
        ("code of a query is forgotten", "fresh->next[0] = packet->icmp_code;", ""),
        ("made again with its old birth", "entry->created_s = fresh->created_s;", ""),
        ("made again with an old position", "entry->next[1] = fresh->next[1];", ""),
        (
            "ended connections weigh",
            "if (!after)\n				add_weight(owner, -weight_of(memory));",
            "",
        ),
    ),
    *_of(
        "connections",
        (
            "answers count as questions",
            "&entry->packets[side & 1], passage->segments",
            "&entry->packets[0], passage->segments",
        ),
        (
            "replaced entries are silent",
            "tell_ended(&passage->key, entry, memory, passage->now_ms);",
            "",
        ),
    ),
    *_of(
        "sweep",
        ("swept entries are silent", "tell_ended(key, entry, memory, pass->now_ms);", ""),
        ("swept a millisecond late", ">= timeout_ms(memory)", "> timeout_ms(memory)"),
        (
            "swept entries weigh",
            "add_weight(owner, -weight_of(memory));\n	pass->removed++;",
            "pass->removed++;",
        ),
    ),
    *_of(
        "log",
        ("octets are not counted", "row->octets[direction][accepted] += passage->octets;", ""),
        ("refused packets end when they began", "log->last_ms = passage->now_ms;", ""),
        ("refused packets have no flags", "log->tcp_flags |= passage->packet.tcp_flags;", ""),
    ),
    *_of(
        "fragments",
        ("fragments live a millisecond longer", ">= FIRST_LIFETIME_MS", "> FIRST_LIFETIME_MS"),
        ("fragments of both directions", "key->direction = passage->direction;", ""),
        ("fragments of any identification", "key->identification = packet->identification;", ""),
        (
            "fragments know the state before",
            "passage->answer.state_before = first->answer.state_after;",
            "",
        ),
    ),
    *_of(
        "policy",
        (
            "second entry of the ACL",
            "lowest_bit(*bits_one & *bits_two)",
            "lowest_bit((*bits_one & *bits_two & (*bits_one & *bits_two) - 1) ?: "
            "*bits_one & *bits_two)",
        ),
        ("ports begin one later", "*boundary >> 32 <= place", "*boundary >> 32 < place"),
        ("addresses by 24 bits", ".length = 64", ".length = 56"),
        ("addresses without hosts", "if (kinds & HAS_HOSTS)", "if (0)"),
        ("one port is open", "all_open & (protocol == PROTOCOL_TCP ? 1 : 2)", "all_open & 3"),
    ),
)


def cells() -> Iterator[tuple[str, Committed]]:
    """Yield the shipped object with one cell of a grid changed, for every cell."""
    made = committed()
    table = MACHINE.transitions.tobytes()
    assert made.content.count(table) == 1
    begin = made.content.index(table)
    for name, side, event, before, wrong in _cells():
        at = begin + (side * EVENTS + event) * STATES + before
        content = made.content[:at] + bytes((wrong,)) + made.content[at + 1 :]
        assert content != made.content
        digest = hashlib.sha256(content).hexdigest()
        yield name, replace(made, content=content, digest=digest)


def _cells() -> Iterator[tuple[str, int, int, int, int]]:
    """Yield (name, side, event, state before, a wrong state after); 0 is no entry."""
    machines = ((tcp, 0), (udp, UDP_EVENT), (icmp, ICMP_EVENT), (other, OTHER_EVENT))
    for machine, first in machines:
        states = list(machine.STATES.values())
        for (side, event, before), after in machine.TRANSITIONS.items():
            # A packet without an entry is of nobody's second side, and only openers make one.
            if before is None and (side is Side.REPLY or after is None):
                continue
            # A bare SYN in TIME_WAIT is judged by the rules, and steps nothing.
            if before is State.TIME_WAIT and event is tcp.Event.SYN:
                continue
            others = [each for each in states if each is not after]
            wrong = next((each for each in others if each is not before), others[0])
            name = f"{machine.__name__.rpartition('.')[2]} {side.name} {event.name}"
            number = 0 if before is None else int(before)
            yield f"{name} {getattr(before, 'name', '-')}", side, first + event, number, wrong


def survivors() -> list[str]:
    """Play the crafted traces on every changed cell; return the cells that none notices."""
    from tests.conformance.crafted import CRAFTED
    from tests.conformance.judge import compare
    from tests.conformance.kernel import SIZES, Kernel

    alive = []
    for name, made in cells():
        with Loaded(variables={"test_clock": 1}, sizes=SIZES, committed_object=made) as found:
            kernel = Kernel(found)
            if all(compare(kernel, CRAFTED[each]) is None for each in ("grid", "picked up")):
                alive.append(name)
    return alive


def build(mutant: Mutant, folder: Path) -> Committed:
    """Return the object of a mutant.

    Raises
    ------
    subprocess.CalledProcessError
        It does not compile.

    """
    copy = folder / "src"
    shutil.copytree(SOURCES, copy)
    (copy / mutant.file).write_text(mutant.source())
    made = folder / "mutant.o"
    flags = ["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wno-unused"]
    headers = f"-I/usr/include/{platform.machine()}-linux-gnu"
    source = str(copy / "secgroup.bpf.c")
    subprocess.run(
        ["clang", *flags, headers, "-c", source, "-o", str(made)], check=True, capture_output=True
    )
    content = made.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return Committed(content=content, digest=digest, sources_digest="", clang="")


def killer(number: int) -> tuple[str, str | None]:
    """Judge a mutant; return what notices it, None if nothing does."""
    from tests.conformance.crafted import CRAFTED
    from tests.conformance.judge import compare, judged
    from tests.conformance.kernel import SIZES, Kernel
    from tests.support.traces import Coverage

    mutant = MUTANTS[number]
    with tempfile.TemporaryDirectory(prefix="secgroup-mutant-") as folder:
        try:
            made = build(mutant, Path(folder))
        except ValueError as error:
            return mutant.name, f"nothing: {error}"
        except subprocess.CalledProcessError as error:
            return mutant.name, f"nothing: it does not compile: {error.stderr.decode()[:200]}"
    try:
        found = Loaded(variables={"test_clock": 1}, sizes=SIZES, committed_object=made)
    except DataPlaneError as error:
        return mutant.name, f"nothing: it does not load: {error}"
    with found:
        kernel = Kernel(found)
        for name, trace in CRAFTED.items():
            if compare(kernel, trace) is not None:
                return mutant.name, f"trace {name}"
        for seed in range(TRACES):
            different = judged(kernel, seed, EACH, Coverage(), Counter())
            if different is not None:
                return mutant.name, f"seed {seed}, event {different.event}: {different.what[:40]}"
    return mutant.name, None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.mutants")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("names", nargs="*", help="only mutants whose name contains one of these")
    options = parser.parse_args()
    started = time.monotonic()
    chosen = [
        number
        for number, mutant in enumerate(MUTANTS)
        if not options.names or any(name in mutant.name for name in options.names)
    ]
    alive = []
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        for name, by in pool.map(killer, chosen):
            if by is None or by.startswith("nothing"):
                alive.append(name)
            print(f"{name:<44} {'SURVIVES' if by is None else by}", flush=True)
    if not options.names:
        number, cells_alive = len(list(_cells())), survivors()
        print(f"{number} changed cells: {number - len(cells_alive)} noticed by crafted traces")
        alive += cells_alive
    print(f"{len(chosen)} mutants in {time.monotonic() - started:.0f} s")
    for name in alive:
        print(f"survives: {name}")
    return int(bool(alive))


if __name__ == "__main__":
    sys.exit(main())
