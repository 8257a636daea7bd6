"""verify: read both sides again and compare them.

Nothing here imports the copy's code: not its SQL, its conversions, its ids or its items. Only the
configuration is shared, because it says what the old columns mean. So a mistake in the copy cannot
hide itself. `old` and `new` read the two sides into the form of `canonical`, and `comparing` finds
the differences.
"""
