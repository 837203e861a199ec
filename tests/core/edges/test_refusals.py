"""Every error inside has a status outside."""

from __future__ import annotations

import pytest

from cerebelum_codegen.runtime.rpc import RpcError, StatusCode
from cerebelum_core import errors
from cerebelum_core.edges.refusals import refusals, refused
from cerebelum_engine import Reason, Rejected


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_a_rejection_has_a_status(reason: Reason) -> None:
    error = refused(Rejected(reason, "because"))
    assert error.code not in (StatusCode.OK, StatusCode.UNKNOWN, StatusCode.INTERNAL)
    assert error.message == "because"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UnknownExecution("no x"), StatusCode.NOT_FOUND),
        (errors.UnknownBlueprint("no b"), StatusCode.NOT_FOUND),
        (errors.Quarantined("set aside"), StatusCode.FAILED_PRECONDITION),
        (errors.VersionConflict("moved on"), StatusCode.UNAVAILABLE),
        (errors.OwnershipLost("taken over"), StatusCode.UNAVAILABLE),
        (errors.StoreUnavailable("away"), StatusCode.UNAVAILABLE),
        (errors.StoreRefused("never"), StatusCode.INTERNAL),
    ],
)
def test_an_error_tells_the_caller_whether_to_try_again(error: errors.CoreError, code: StatusCode) -> None:
    with pytest.raises(RpcError) as told, refusals():
        raise error
    assert (told.value.code, told.value.message) == (code, str(error))


def test_a_bug_is_not_dressed_up_as_a_refusal() -> None:
    with pytest.raises(ZeroDivisionError), refusals():
        raise ZeroDivisionError
