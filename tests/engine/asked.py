"""Every question that `kernels.classify` answers, asked for many packets in one call."""

from secgroup.engine.kernels import classify, kernel

ANSWERS = (
    "address_class",
    "port_class",
    "any_rule",
    "is_open",
    "is_open_class",
    "tracked_weight",
    "tracked_weight_of_class",
    "acl_answer",
    "service_at",
    "is_router",
)


@kernel
def ask(t, questions, hi, lo, out):
    """Answer each row of `questions`: interface, direction, family, protocol, value, has_icmp."""
    for i in range(questions.shape[0]):
        interface = questions[i, 0]
        direction = questions[i, 1]
        family = questions[i, 2]
        protocol = questions[i, 3]
        value = questions[i, 4]
        row = t.interfaces[interface]
        found = classify.address_class(t, row.table, direction, family, hi[i], lo[i])
        ports = classify.port_class(t, row.table, direction, family, protocol, value)
        out[i, 0] = found
        out[i, 1] = ports
        out[i, 2] = classify.any_rule(t, row.table, direction, family, found, ports)
        if protocol == 6 or protocol == 17:
            out[i, 3] = classify.is_open(t, row.table, direction, family, protocol, value)
            out[i, 4] = classify.is_open_class(t, row.table, direction, family, protocol, ports)
        else:
            out[i, 3] = 0
            out[i, 4] = 0
        out[i, 5] = classify.tracked_weight(t, row.table, family, hi[i], lo[i])
        out[i, 6] = classify.tracked_weight_of_class(t, row.table, direction, family, found)
        out[i, 7] = classify.acl_answer(
            t, row.acl, direction, family, hi[i], lo[i], protocol, value, questions[i, 5] != 0
        )
        out[i, 8] = classify.service_at(t, interface, family, hi[i], lo[i], protocol, value)
        out[i, 9] = classify.is_router(t, interface, family, hi[i], lo[i])
