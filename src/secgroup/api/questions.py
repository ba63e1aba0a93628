"""Questions to the plane in this process: a batch of packets or a capture in, decisions out.

Owns the media types and the options of `/_secgroup/decide` and `/_secgroup/connections`; what is
decided, and how a decision is written, is the plane's (docs/endpoint.md).
"""

import io
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from secgroup.api.auth import DEFAULT_REGION
from secgroup.dataplane.base import Questions
from secgroup.errors import CaptureError, InputError

LINES: Final = "application/x-ndjson"
_JSON: Final = "application/json"
_CAPTURES: Final = ("application/vnd.tcpdump.pcap", "application/octet-stream")
#: How many packets one request may ask about in JSON.
PACKETS: Final = 100_000


@dataclass(frozen=True, slots=True)
class PlaneQuestions:
    """What the routes ask of a plane; see `app.Plane`."""

    plane: Questions

    def decide(self, body: bytes, kind: str, options: Mapping[str, str], /) -> tuple[str, bytes]:
        """Decide the packets of a JSON object `{"packets": [...]}`, or of a capture.

        Raises
        ------
        InputError
            The body is neither, a packet is none, or an option is unknown.

        """
        region = _region(options)
        now_ns = time.time_ns()
        if kind == _JSON:
            return LINES, _lines(self.plane.decide_packets(region, _packets(body), now_ns))
        if kind not in _CAPTURES:
            raise InputError(
                f"content-type {kind or 'missing'} (expected {_JSON} or {_CAPTURES[0]})"
            )
        return LINES, _lines(self.plane.decide_capture(region, io.BytesIO(body), now_ns))

    def connections(self, options: Mapping[str, str], /) -> tuple[str, bytes]:
        """Return the tracked connections, one a line."""
        found = self.plane.connections(_region(options), time.time_ns())
        return LINES, _lines(json.dumps(each) for each in found)


def _region(options: Mapping[str, str]) -> str:
    for name in options:
        if name != "region":
            raise InputError(f"{name!r} is no option (expected region)")
    return options.get("region", DEFAULT_REGION)


def _packets(body: bytes) -> list[Mapping[str, Any]]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("not JSON", source="body") from None
    packets = value.get("packets") if isinstance(value, dict) else None
    if not isinstance(packets, list):
        raise InputError('expected {"packets": [...]}', source="body")
    if len(packets) > PACKETS:
        raise InputError(f"{len(packets)} packets (expected at most {PACKETS})", source="body")
    return packets


def _lines(lines: Iterable[str]) -> bytes:
    """Return lines, each with its end; a damaged capture ends with a line that says where."""
    found: list[str] = []
    try:
        found.extend(lines)
    except CaptureError as error:
        found.append(json.dumps({"error": str(error), "offset": error.offset}))
    return "".join(f"{line}\n" for line in found).encode()
