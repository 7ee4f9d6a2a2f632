"""Identifiers made anew: of the same form, each of its own, whichever others are asked for."""

from __future__ import annotations

import pytest

from belamy.tables.identifiers import pattern_of, renewed


@pytest.mark.parametrize("texts", [
    [f"{row:04d}" for row in range(0, 9999, 7)],
    [f"A-{row:03x}" for row in range(400)],
    [f"{row:08X}-{row * 7919 % 65536:04X}" for row in range(500)],
    [f"{'ab'[row % 2]}{'xy'[row // 2 % 2]}{'-+'[row // 4]}" for row in range(8)],
    [f"p{row}@x.com" for row in range(300)],
    [str(row) for row in range(300)],
    ["ä", "ö", "ü", "ß"],
])  # fmt: skip
def test_they_are_alike_and_each_of_its_own(texts: list[str]) -> None:
    pattern = pattern_of(texts)
    found = renewed(pattern, 0, 20_000).tolist()
    assert len(set(found)) == 20_000
    if len({len(text) for text in texts}) == 1:
        assert all(len(one) == len(texts[0]) for one in found[: len(texts)])
        for place, sign in enumerate(pattern):
            assert {one[place] for one in found[: len(texts)]} <= set(sign)


@pytest.mark.parametrize("texts", [["A00", "A99", "A12"], ["ab", "ba"], ["x1", "x22"]])
def test_an_identifier_depends_on_its_number_alone(texts: list[str]) -> None:
    pattern = pattern_of(texts)
    whole = renewed(pattern, 0, 300).tolist()
    assert [renewed(pattern, row, 1)[0] for row in range(300)] == whole
    assert renewed(pattern, 90, 50).tolist() == whole[90:140]


def test_what_all_have_is_kept_and_no_more() -> None:
    assert pattern_of(["A-01x", "A-19x"]) == ["A", "-", "0123456789", "0123456789", "x"]
    assert pattern_of(["kb7", "kc8"])[1] == "abcdefghijklmnopqrstuvwxyz" or pattern_of(["kb7", "kc8"])[1] == (
        "0123456789abcdef"
    )
    assert pattern_of(["user-1", "user-12", "user-3"]) == [*"user-", ""]
    assert renewed(pattern_of(["user-1", "user-12"]), 4, 2).tolist() == ["user-15", "user-16"]
    assert pattern_of([]) == []
