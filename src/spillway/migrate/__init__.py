"""Move orders from an older MySQL database, with no downtime and no lost order.

    check     reports which orders map and which do not; writes nothing
    copy      copies every order, from a snapshot, at a rate that the table can take
    follow    copies every later change, from the binary log
    verify    reads both tables again and compares them; shares no code with the copy
    cutover   goes through the checklist of the switch
    back      writes new orders to the old database, so that you can return

The guide is docs/migration/README.md. `running` puts the parts together.
"""
