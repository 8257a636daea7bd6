"""Systems Manager's parameter store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulation.world.calls import Calls, aws_failed, client_error


@dataclass(frozen=True, slots=True)
class SsmClient:
    """A botocore client of SSM, as far as the service calls it.

    A call takes no time here, because the service holds a lock meanwhile: the other deliveries of
    the batch wait for the same key. An outage can hit it.
    """

    calls: Calls
    parameters: Mapping[str, str]

    def get_parameter(self, *, Name: str, WithDecryption: bool = False) -> dict[str, Any]:
        calls = self.calls
        task, now = calls.scheduler.task, calls.scheduler.now
        if task is not None and calls.faults.outage("ssm", now) is not None:
            raise aws_failed("GetParameter", task.chance)
        if Name not in self.parameters:
            raise client_error("ParameterNotFound", "GetParameter")
        # Secrets are kept encrypted, and come so to whoever does not ask for more.
        value = self.parameters[Name] if WithDecryption else "AQICAHh, encrypted"
        return {
            "Parameter": {
                "Name": Name,
                "Type": "SecureString",
                "Value": value,
                "Version": 1,
                "LastModifiedDate": datetime.fromtimestamp(now // 1000, UTC),
                "ARN": f"arn:aws:ssm:eu-west-1:123456789012:parameter{Name}",
                "DataType": "text",
            }
        }
