"""Runs orders through the SDK's local runner, and counts what each of them took: what AWS would
bill is counted, nothing is timed.

Usage: `python -m ... ORDERS COUNTS`, two files, each a JSON array with one object an order.

`operations` by kind, as the service meters them: those that it keeps, and each retry of a step
(docs.aws.amazon.com/lambda/latest/dg/durable-execution-sdk-retries.html); `checkpoints` are updates
of operations; `payload_bytes` is what they carried; `invocations` of the function.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from aws_durable_execution_sdk_python.lambda_service import OperationAction
from aws_durable_execution_sdk_python_testing.runner import DurableFunctionTestRunner
from aws_durable_execution_sdk_python_testing.stores.memory import InMemoryExecutionStore

from benchmarks.peers.durable_functions.program import handler

ORDER_SECONDS_MAX = 300


def main() -> None:
    orders, counts = map(Path, sys.argv[1:])
    store = InMemoryExecutionStore()
    counted = []
    # Waits between attempts are skipped: their number counts, not their length.
    with DurableFunctionTestRunner(handler, store=store, skip_time=True) as runner:
        for order in json.loads(orders.read_text()):
            arn = runner.run_async(json.dumps(order), execution_name=order["order_id"])
            result = runner.wait_for_result(arn, ORDER_SECONDS_MAX)
            counted.append(_counted(store.load(arn)) | {"status": result.status.value})
    counts.write_text(json.dumps(counted))


def _counted(execution: Any) -> dict[str, Any]:
    kinds = Counter(
        f"{one.operation_type.value} {one.sub_type or ''}".strip() for one in execution.operations
    )
    kinds["STEP Retry"] = sum(one.action is OperationAction.RETRY for one in execution.updates)
    return {
        "operations": dict(+kinds),
        "checkpoints": len(execution.updates),
        "payload_bytes": sum(len((update.payload or "").encode()) for update in execution.updates),
        "invocations": len(execution.invocation_completions),
    }


if __name__ == "__main__":
    main()
