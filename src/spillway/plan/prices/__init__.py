"""The price book: what AWS charges for each unit, with the source and the date of each price.

Data, not code: `us-east-1.toml`. A file of the same form overrides any part of it, for another
Region, a negotiated price or a newer one.
"""

from spillway.plan.prices.bill import Bill, Item, Usage, Use, priced
from spillway.plan.prices.book import Book, Price, Tier, load

__all__ = ["Bill", "Book", "Item", "Price", "Tier", "Usage", "Use", "load", "priced"]
