import pytest

from secgroup.conntrack.state import State
from secgroup.conntrack.timeout import Timeouts

#: Seconds, by the published defaults (aws) and netfilter's for what AWS does not publish.
DEFAULTS = {
    "SYN_SENT": 120,
    "SYN_SENT2": 120,
    "SYN_RECV": 60,
    "ESTABLISHED": 432000,
    "FIN_WAIT": 120,
    "CLOSE_WAIT": 60,
    "LAST_ACK": 30,
    "TIME_WAIT": 120,
    "UDP_1_0": 30,
    "UDP_2_0": 30,
    "UDP_1_1": 30,
    "UDP_2_1": 30,
    "UDP_1_2": 30,
    "UDP_STREAM": 180,
    "ICMP_UNREPLIED": 30,
    "ICMP_REPLIED": 30,
    "OTHER_UNREPLIED": 600,
    "OTHER_REPLIED": 600,
}


@pytest.mark.semantics("time-1", "time-2", "time-3", "time-4")
@pytest.mark.parametrize("state", State)
def test_default_timeout(state):
    assert Timeouts().of_ms(state) == 1000 * DEFAULTS[state.name]


@pytest.mark.semantics("time-5")
@pytest.mark.parametrize("state", State)
def test_only_three_timeouts_can_be_chosen(state):
    chosen = Timeouts(tcp_established=61, udp=41, udp_stream=91)
    name = state.name
    expected = {"ESTABLISHED": 61, "UDP_STREAM": 91}.get(
        name, 41 if name.startswith("UDP") else DEFAULTS[name]
    )
    assert chosen.of_ms(state) == 1000 * expected
