"""Binary format and JSON, of proto2, proto3 and edition 2023, as Google's suite demands and recommends them."""

from __future__ import annotations

import pytest

from tests.conformance.libc import Unavailable
from tests.conformance.suite import EXPECTED, run

UNSTABLE = 4
"""Cases of an edition that is not out, which the runner offers whatever edition it is told to stop at."""


def test_nothing_fails_that_is_required_or_recommended() -> None:
    try:
        outcome = run()
    except Unavailable as error:
        pytest.skip(f"Google's conformance suite cannot run here: {error}")
    assert outcome.unexpected == 0, outcome.words[-4000:]
    assert outcome.successes > 5_600
    assert outcome.skipped == UNSTABLE


def test_a_case_that_may_fail_has_its_reason_beside_it() -> None:
    cases = [line for line in EXPECTED.read_text().splitlines() if line and not line.startswith("#")]
    assert [case for case in cases if "#" not in case] == []
