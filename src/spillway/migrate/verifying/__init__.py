"""verify: both sides read anew and held against each other.

Nothing here imports the copy's code: not its SQL, its conversions, its ids or its items. Only the
configuration is shared, for it says what the old columns mean. A mistake in the copy can so not
excuse itself. `canonical` has the form in which both sides are compared, `old` and `new` read them
into it, `comparing` finds the differences.
"""
