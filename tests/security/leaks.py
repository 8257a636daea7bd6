"""What no answer may tell of the inside."""

from __future__ import annotations

import re

#: Stack traces, file and module names, AWS's words, resources, exception types.
INSIDE = re.compile(
    r"Traceback|File \"|\.py\b|\bline \d+|boto|dynamo|amazonaws|arn:aws|lambda|cloudwatch|sqs|sns"
    r"|spillway-|/aws/|orders\.(?:aws|flow|domain|handlers|wiring)|msgspec|urllib3|\w+(?:Error|Exception)\b"
    r"|at 0x[0-9a-f]+|site-packages|/var/task",
    re.IGNORECASE,
)


def leaks(answer: str, sent: str = "") -> list[str]:
    """What an answer tells of the inside that was not in the request, which it may quote."""
    return [found for found in INSIDE.findall(answer) if found.lower() not in sent.lower()]
