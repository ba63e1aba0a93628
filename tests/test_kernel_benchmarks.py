"""The kernel plane's benchmarks run, and find the answers that they expect; no figure is judged."""

import sys

import pytest
from benchmarks.kernel import packet, sweeper, traffic


@pytest.mark.needs("root", "bpf", "clang")
@pytest.mark.parametrize("row", packet.ROWS)
def test_each_packet_gets_the_answer_that_is_measured(
    row: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["packet", "--tiny", "--row", row])
    assert packet.main() == 0
    assert " ns" in capsys.readouterr().out or row == "changes"


@pytest.mark.needs("root", "netns", "bpf", "clang", "nft", "iperf3")
def test_every_filter_on_the_path_lets_through_what_the_rules_admit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["traffic", "--rounds", "1", "--frames", "2000"])
    traffic.main()
    assert capsys.readouterr().out.count("ours / nftables") == 2 * len(traffic.LOADS) - 1


@pytest.mark.needs("root", "bpf")
def test_the_sweeper_takes_what_is_over_and_leaves_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sweeper", "--tiny"])
    assert sweeper.main() == 0
    assert capsys.readouterr().out.count("% of a core") == 2 * len(sweeper.TABLES)
