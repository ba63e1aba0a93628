"""What the server counts of itself, in Prometheus' text format."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

#: Upper bounds of how long requests take, in seconds.
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


@dataclass(slots=True)
class Metrics:
    """Counters of one server; asked and changed by its event loop only."""

    answered: Counter[tuple[str, str]] = field(default_factory=Counter)
    taken: Counter[float] = field(default_factory=Counter)
    seconds: float = 0.0
    in_flight: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def count(
        self, *, action: str, code: str, seconds: float, bytes_in: int, bytes_out: int
    ) -> None:
        """Count one request that was answered; `action` is one that is served, or `-`."""
        self.answered[action, code] += 1
        self.seconds += seconds
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out
        self.taken[next((each for each in BOUNDS if seconds <= each), float("inf"))] += 1

    def page(self) -> str:
        """Return the page of all metrics."""
        lines = [
            "# HELP secgroup_requests_total Requests answered, by action and error code.",
            "# TYPE secgroup_requests_total counter",
        ]
        for (action, code), number in sorted(self.answered.items()):
            lines.append(f'secgroup_requests_total{{action="{action}",code="{code}"}} {number}')
        lines += [
            "# HELP secgroup_request_seconds Time from a request's head to its answer.",
            "# TYPE secgroup_request_seconds histogram",
        ]
        total = 0
        for bound in BOUNDS:
            total += self.taken[bound]
            lines.append(f'secgroup_request_seconds_bucket{{le="{bound}"}} {total}')
        total += self.taken[float("inf")]
        lines += [
            f'secgroup_request_seconds_bucket{{le="+Inf"}} {total}',
            f"secgroup_request_seconds_sum {self.seconds:.6f}",
            f"secgroup_request_seconds_count {total}",
            "# TYPE secgroup_requests_in_flight gauge",
            f"secgroup_requests_in_flight {self.in_flight}",
            "# TYPE secgroup_received_bytes_total counter",
            f"secgroup_received_bytes_total {self.bytes_in}",
            "# TYPE secgroup_sent_bytes_total counter",
            f"secgroup_sent_bytes_total {self.bytes_out}",
        ]
        return "\n".join(lines) + "\n"
