"""The committed object in the kernel: its maps, its constants, its programs by test runs."""

import os
from dataclasses import fields

import numpy as np
import pytest

from secgroup.dataplane.bpf import libbpf, loaded
from secgroup.dataplane.bpf.loaded import Loaded, Maps
from secgroup.errors import DataPlaneError
from secgroup.net.direction import Direction
from tests.support.bpf import SMALL

pytestmark = pytest.mark.needs("bpf")


def test_every_map_of_the_object_has_a_name_here_or_is_the_programs_own():
    own = {"passages", "sweeper"}
    with Loaded(sizes=SMALL) as here:
        assert here.sizes.keys() - own == {each.name for each in fields(Maps)}


def test_sizes_are_as_asked_and_else_as_the_source_says():
    with Loaded(sizes=SMALL) as here:
        assert {name: here.sizes[name] for name in SMALL} == SMALL
        assert len(here.maps.words) == here.sizes["words"] == 4096
        assert here.maps.connections.entries == 1024


def test_an_interface_without_a_word_passes_nothing():
    with Loaded(sizes=SMALL) as here:
        for direction in Direction:
            assert not here.run(direction, 5, bytes(60))
            assert not here.run(direction, 1 << 20, bytes(60))


def test_maps_of_another_shape_are_refused(monkeypatch):
    wide = np.dtype([("one", "<u8"), ("two", "<u8")])
    monkeypatch.setattr(loaded, "ARRAYS", {**loaded.ARRAYS, "words": wide})
    with pytest.raises(DataPlaneError, match="map words: values of 8 bytes, expected 16"):
        Loaded(sizes=SMALL)


def test_unknown_constant_is_refused():
    with pytest.raises(DataPlaneError, match="constant no_such_thing: the program has none"):
        Loaded(sizes=SMALL, variables={"no_such_thing": 1})


def test_maps_are_shared_with_who_reuses_them():
    with Loaded(sizes=SMALL) as first:
        first.maps.words[3] = 7
        fd = libbpf.Descriptor(os.dup(first.object.map_fd("words")))
        with fd, Loaded(sizes=SMALL, reused={"words": fd}) as second:
            assert int(second.maps.words[3]) == 7
            second.maps.words[3] = 8
            assert int(first.maps.words[3]) == 8


def test_what_is_closed_is_gone():
    with Loaded(sizes=SMALL) as here:
        number = libbpf.program_info(here.object.program_fd("ingress")).id
        assert libbpf.program_by_id(number) is not None
    assert libbpf.program_by_id(number) is None
