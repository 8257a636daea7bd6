"""Mutants of the service: safeguards removed on purpose, because a check that cannot fail proves
nothing.

- mutations: the few ways to change a function, as operations on its syntax tree
- catalogue: every mutant
- service: the service's source, and how a process imports it with a mutation

Nothing here imports the service: a process must apply a mutant before its first import of it.
"""
