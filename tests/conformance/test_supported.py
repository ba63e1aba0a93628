"""The page of what is supported says what the suite shows."""

from tests.conformance.capability import Capability
from tests.conformance.subjects import SUBJECTS
from tests.conformance.supported import PAGE, required, text


def test_page_says_what_the_suite_shows():
    assert PAGE.read_text() == text(), "python -m tests.conformance"


def test_every_capability_is_required_by_some_test():
    assert set(required()) == set(Capability)


def test_each_closed_capability_has_a_sentence_and_no_full_stop():
    for subject, _, _ in SUBJECTS.values():
        for why in subject.closed.values():
            assert len(why.split()) >= 4
            assert not why.endswith(".")
