"""Whoever measures with a word that means nothing is told so, and nothing is measured."""

from __future__ import annotations

import sys

import pytest

from benchmarks.__main__ import main


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["engine", "--rounds", "0"], "'0' is not a whole number above 0"),
        (["engine", "--concurrency", "1", "-3"], "'-3' is not a whole number above 0"),
        (["engine", "--peers", "compiled,temporal"], "temporal is none of compiled, restate, dbos"),
        (["calls", "--only", "thrift"], "invalid choice: 'thrift'"),
        (["speed"], "invalid choice: 'speed'"),
    ],
)
def test_wrong_words_are_refused(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert told in said.err
