from __future__ import annotations

import pytest

from cerebelum_codegen.runtime import Timestamp
from cerebelum_codegen.runtime.rpc import RpcError, StatusCode
from cerebelum_core.edges.pages import page_token, place_of
from cerebelum_core.store import Place


@pytest.mark.parametrize("place", [None, Place(Timestamp(1_700_000_000, 5), "x"), Place(Timestamp(), "a:b c/é")])
def test_a_token_stands_for_its_place(place: Place | None) -> None:
    assert place_of(page_token(place)) == place


@pytest.mark.parametrize(
    "token", ["x", ":x", "-1:x", "1e9:x", "99999999999999999999:x", "9223372036854775808:x", "\u0661:x"]
)
def test_a_token_that_no_list_returned_is_refused(token: str) -> None:
    with pytest.raises(RpcError, match="is not one that a list returned") as caught:
        place_of(token)
    assert caught.value.code is StatusCode.INVALID_ARGUMENT
