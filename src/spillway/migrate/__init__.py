"""Bring the orders of an older MySQL database over, with no downtime and no order lost.

    check     what maps and what does not; changes nothing
    copy      every order, from a snapshot, at a rate that the table bears
    follow    what changes meanwhile, from the binary log
    verify    both sides read again and compared, by code that shares nothing with the copy
    cutover   the checklist of the switch
    back      new orders into the old database, so that one can return

docs/migration/ is the guide. The parts are put together in `running`.
"""
