"""The price list: what AWS charges for each unit, with the source and the date of each price.

Data, not code: `us-east-1.toml`. A file of the same form overrides any part of it, for another
Region, a negotiated price or a newer one.
"""

from spillway.plan.price_list.bill import Bill, Item, Usage, Use, added, priced
from spillway.plan.price_list.prices import Price, PriceList, Tier, load

__all__ = ["Bill", "Item", "Price", "PriceList", "Tier", "Usage", "Use", "added", "load", "priced"]
