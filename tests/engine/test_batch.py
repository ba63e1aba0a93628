from dataclasses import replace

from secgroup.engine.batch import Sighting, batch_of
from secgroup.net.packet import Malformed, Packet
from tests.engine.judge import without_offsets
from tests.support.traces import Arrival, make_trace


def test_columns_and_back_are_the_packets_again():
    for seed in range(6):
        arrivals = [e for e in make_trace(seed, 800).events if isinstance(e, Arrival)]
        batch = batch_of(Sighting(e.packet, 0, e.direction, e.time_ms) for e in arrivals)
        assert len(batch) == len(arrivals)
        for row, arrival in enumerate(arrivals):
            expected, found = arrival.packet, batch.packet(row)
            if isinstance(expected, Malformed):
                assert found == replace(expected, problem="malformed")
                continue
            assert isinstance(found, Packet)
            quote = None if expected.icmp is None else expected.icmp.quote
            quoted = None if found.icmp is None else found.icmp.quote
            assert (quote is None) == (quoted is None)
            if quote is not None:
                assert without_offsets(quoted) == without_offsets(quote)
                assert found.icmp == replace(expected.icmp, quote=quoted)
                continue
            assert without_offsets(found) == without_offsets(expected)
