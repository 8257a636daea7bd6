"""A command is about one service, and never silently about another one."""

from __future__ import annotations

import pytest

from spillway.errors import UsageError
from spillway.target.options import Target


@pytest.mark.parametrize(
    "target",
    [
        Target(region="eu-west-1"),
        Target(profile="prod"),
        Target(stage="prod", port=9000),
    ],
    ids=["a Region and no stage", "credentials and no stage", "AWS and this machine"],
)
def test_options_that_name_half_a_service_or_two_are_bad_usage(target: Target) -> None:
    with pytest.raises(UsageError, match="--stage"):
        target.check()


@pytest.mark.parametrize(
    "target", [Target(), Target(port=9000), Target(stage="prod", profile="p", region="r")]
)
def test_one_service_is_enough(target: Target) -> None:
    target.check()
