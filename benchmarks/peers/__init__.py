"""The same orders on other engines, in one run, with the same audit (`make peers`).

Each folder has one system: the program that its own documentation would have one write for this
saga, its requirements, locked apart, and `system.py`, which starts and kills it. The programs run
in environments of their own, and nothing of them is imported by the product.
"""
