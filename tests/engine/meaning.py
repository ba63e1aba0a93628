"""Everything that the tables of a compiled policy say, so that two of them can be compared."""

import numpy as np

from secgroup.engine.compile import Compiled


def searched(compiled: Compiled, number: int, family: int) -> tuple[object, ...]:
    """Everything that a kernel can read of a section."""
    t = compiled.tables
    row = t.sections[number]
    roots = t.roots[row.root : row.root + int(row.last) + 2]
    port_roots = t.roots[row.port_root : row.port_root + int(row.port_last) + 2]
    entries = (t.narrow if family == 4 else t.wide)[row.entries : row.entries + roots[-1] + 1]
    ports = t.narrow[row.port_entries : row.port_entries + port_roots[-1] + 1]
    classes = 1 + int((entries & 0xFFFFFFFF).max() if family == 4 else entries[:, 2].max())
    port_classes = 1 + int((ports & np.uint64(0xFFFFFFFF)).max())
    words = int(row.words)
    bits = t.bitmaps[row.address_bits : row.address_bits + classes * words]
    port_bits = t.bitmaps[row.port_bits : row.port_bits + port_classes * words]
    weights = t.weights[row.address_class : row.address_class + classes]
    opened = t.opened[row.port_class : row.port_class + port_classes]
    parts = (roots, port_roots, entries, ports, bits, port_bits, weights, opened)
    bounds = (row.low, row.last, row.shift, row.port_low, row.port_last, row.port_shift)
    return (*map(int, bounds), words, int(row.all_open), *(part.tobytes() for part in parts))


def meaning(compiled: Compiled) -> dict[str, object]:
    """Everything that the tables say, by interface; the numbers of rows are no part of it."""
    compiled.build()
    t = compiled.tables
    owners = {number: owner for owner, number in compiled.owners.items()}
    families = (4, 6, 4, 6)
    found = {}
    for interface_id, number in compiled.interfaces.items():
        row = t.interfaces[number]
        subnet = t.subnets[row.subnet]
        acl = [
            (
                searched(compiled, section, family),
                t.numbers[
                    t.sections[section].numbers : t.sections[section].numbers
                    + t.sections[section].rules
                    + 1
                ].tolist(),
            )
            for section, family in zip(t.acls[row.acl], families, strict=True)
        ]
        found[interface_id] = (
            [
                searched(compiled, section, family)
                for section, family in zip(t.tables[row.table], families, strict=True)
            ],
            [each.rule_ids for each in compiled.rule_table(interface_id).sections],
            acl,
            compiled.acl_ids[row.acl],
            owners[row.owner],
            t.timeouts[row.timeouts].tolist(),
            (bool(row.carries_groups), bool(row.source_dest_check)),
            t.ranges[row.own4 : row.own6].tolist(),
            t.ranges[row.own6 : row.own_end].tolist(),
            (int(subnet.filter4), int(subnet.filter6), int(subnet.broadcast)),
            t.ranges[subnet.block4 : subnet.block6].tolist(),
            t.ranges[subnet.block6 : subnet.block_end].tolist(),
            t.ranges[subnet.router4 : subnet.router6].tolist(),
            t.ranges[subnet.router6 : subnet.router_end].tolist(),
            t.exempt[subnet.exempt4 : subnet.exempt6].tolist(),
            t.exempt[subnet.exempt6 : subnet.exempt_end].tolist(),
        )
    return found
