"""Where frames of each name are decided: what is remembered of it."""

import numpy as np

from secgroup.engine.aggregate import secret_of
from secgroup.replay.places import Places
from secgroup.replay.who import Place


def test_links_are_forgotten_with_the_names_that_have_them():
    places = Places(secret_of(1))
    word = np.array([7], dtype=np.uint64)
    for names in (places.links, places.names):
        names.learn((word, word, word, word, word), 0)
    places.learn(Place(scope="vpc-1"), {})
    places.clear()
    assert (len(places.links), len(places.names), len(places.places)) == (0, 0, 0)
