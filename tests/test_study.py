"""The pictures of the scaling study are those of the numbers beside them."""

import pytest
from benchmarks.study import FOLDER, STUDIES, picture, read


@pytest.mark.parametrize("name", STUDIES)
def test_picture_is_drawn_from_the_saved_numbers(name):
    assert (FOLDER / f"{name}.svg").read_text() == picture(name, read(name))
    assert f"study/{name}.svg" in (FOLDER.parent / "engine-study.md").read_text()


@pytest.mark.parametrize("name", STUDIES)
def test_saved_numbers_are_positive_and_in_order(name):
    rows = read(name)
    assert [row[0] for row in rows] == sorted({row[0] for row in rows})
    assert all(len(row) == 1 + len(STUDIES[name].names) and min(row) > 0 for row in rows)
