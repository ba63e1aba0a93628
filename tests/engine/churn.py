"""Flows that come and go by the million beside some that are held, and what must be left of them.

UDP from everywhere to one interface: every flow of a second is new, and is forgotten 30 seconds
later; those that are held get a packet in time.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from secgroup.decision import Reason
from secgroup.engine.batch import Batch
from secgroup.engine.engine import Engine
from secgroup.engine.layout import HAS_PORTS, empty_packets

TIMEOUT_S = 30
#: A held flow gets a packet in one of so many seconds.
_TURNS = 20
_MAPPED = 0xFFFF << 32
_HELD_FROM, _PASSING_FROM = 0x64000000, 0x65000000
#: Passing peers come again after so many, long after they were forgotten.
_PEERS = 1 << 30


@dataclass
class Churn:
    """Decides second by second, and checks every answer and what is remembered.

    Parameters
    ----------
    engine : Engine
        Of a network whose `eni-1` is 10.0.1.5 and lets udp/53 in from everywhere, tracked.
    each, held : int
        Flows that are new in a second, and that are held.

    """

    engine: Engine
    each: int
    held: int
    second: int = 1000
    made: int = 0

    def run(self, seconds: int) -> None:
        """Go on for so many seconds.

        Raises
        ------
        AssertionError
            An answer is not what it must be, or what is remembered is not.

        """
        for _ in range(seconds):
            self._go_on()

    def _go_on(self) -> None:
        if self.made == 0:
            self._decide(self._batch(_HELD_FROM + np.arange(self.held)), Reason.NEW)
        first = self.made
        peers = _PASSING_FROM + (first + np.arange(self.each)) % _PEERS
        self._decide(self._batch(peers), Reason.NEW)
        self.made += self.each
        turn = np.arange(self.second % _TURNS, self.held, _TURNS)
        self._decide(self._batch(_HELD_FROM + turn), Reason.ESTABLISHED)
        self.second += 1

    def passing(self) -> range:
        """The numbers of the passing flows that must be remembered now."""
        return range(max(0, self.made - TIMEOUT_S * self.each), self.made)

    def check(self) -> None:
        """Compare what is remembered with what must be.

        Raises
        ------
        AssertionError
            They differ.

        """
        passing = self.passing()
        assert len(self.engine) == self.held + len(passing)
        assert self.engine.weights() == {"eni-1": self.held + len(passing)}
        found = np.sort(self.engine.records()["outside_lo"] - np.uint64(_MAPPED))
        expected = np.concatenate(
            [
                _HELD_FROM + np.arange(self.held),
                _PASSING_FROM + np.arange(passing.start, passing.stop) % _PEERS,
            ]
        )
        assert np.array_equal(found, np.sort(expected))

    def _decide(self, batch: Batch, reason: Reason) -> None:
        reasons = self.engine.decide(batch).columns.reason
        assert (reasons == reason).all(), f"second {self.second}: not every packet is {reason.name}"

    def _batch(self, peers: NDArray[np.int64]) -> Batch:
        packets = empty_packets(len(peers))
        packets.time_ms[:] = self.second * 1000
        packets.interface[:] = self.engine.interface_number("eni-1")
        packets.direction[:] = 0
        packets.family[:] = 4
        packets.protocol[:] = 17
        packets.shape[:] = HAS_PORTS
        packets.hop_limit[:] = 64
        packets.length[:] = 60
        packets.source_lo[:] = peers | _MAPPED
        packets.destination_lo[:] = 0x0A000105 | _MAPPED
        packets.source_port[:] = 5000
        packets.destination_port[:] = 53
        return Batch(packets=packets, quotes=empty_packets(0))
