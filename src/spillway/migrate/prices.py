"""What AWS charges for a migration: list prices of us-east-1, on demand, as data in one place."""

from __future__ import annotations

#: DynamoDB price list of 2026-09-11.
SOURCE = "us-east-1, on demand, 2026-09-11"
DOLLARS_PER_MILLION_WRITE_UNITS = 0.625
DOLLARS_PER_MILLION_READ_UNITS = 0.125
DOLLARS_PER_GB_MONTH = 0.25
#: A read unit is 4 KB read strongly consistent.
READ_UNIT_BYTES = 4_096
