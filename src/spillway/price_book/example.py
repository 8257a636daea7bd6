"""The example store's price book, which a stack on this machine sells by."""

from functools import cache

from spillway.paths import PROJECT
from spillway.price_book.book import PriceBook
from spillway.price_book.reading import read

EXAMPLE = PROJECT / "web" / "book" / "book.toml"


@cache
def example() -> PriceBook:
    """The book, read once for each process."""
    return read(EXAMPLE)
