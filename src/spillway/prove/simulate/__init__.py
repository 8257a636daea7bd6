"""`spillway simulate`: the promises under any number of fault schedules, each from its seed.

The world, the faults and the planted bugs are in simulation/; this spreads the seeds over processes
and tells a person what came of it.
"""
