"""The tables of the TOML file, as the rules that orders are priced by."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from zoneinfo import ZoneInfo

from orders.domain.book import (
    ELSEWHERE,
    NO_TIME,
    Coupon,
    DeliveryRate,
    Rules,
    Tax,
    delivery_key,
    tax_key,
)
from orders.domain.coupon_limits import USED_UP_MAX
from orders.domain.order import Channel
from orders.domain.refusals import DISCOUNTS_MAX
from orders.domain.units import Millis
from spillway.currencies import DECIMALS
from spillway.price_book import toml_file, values
from spillway.price_book.toml_file import Amounts, TomlFile
from spillway.price_book.toml_lines import Place

COUPONS_MAX = 1_000
LIMIT_MAX = 100_000_000
#: From where on, and the price.
Step = tuple[int, int]
CHANNELS: tuple[Channel, ...] = ("retail", "wholesale")


class RulesReader:
    """Reads the tables one after the other. What is wrong in them is a fault of `toml`.

    `price_lists` and `skus` are None where the articles have faults: nothing is compared with them
    then, so that no fault is reported twice.
    """

    def __init__(
        self,
        toml: TomlFile,
        *,
        price_lists: Sequence[str] | None,
        tax_classes: Sequence[str],
        skus: Collection[str] | None,
        zone: ZoneInfo | None,
    ) -> None:
        self._toml = toml
        self._price_lists = price_lists
        self._tax_classes = tax_classes
        self._skus = skus
        self._sorted_skus = sorted(skus or ())
        self._zone = zone
        self._delivery: dict[str, DeliveryRate] = {}
        self._taxes: dict[str, Tax] = {}
        self._coupons: dict[str, Coupon] = {}
        #: Where each key of the above was written.
        self._places: dict[str, Place] = {}

    def rules(self) -> Rules:
        for place, delivery in self._toml.deliveries:
            self._add_delivery(place, delivery)
        for place, tax in self._toml.taxes:
            self._add_tax(place, tax)
        for place, coupon in self._toml.coupons:
            self._add_coupon(place, coupon)
        # What is left out because of a fault would be missed once more.
        if not self._toml.faults.count:
            self._check_every_price_is_delivered()
            self._check_delivery_is_taxed()
        self._check_coupons()
        return Rules(
            tuple(self._price_lists or ()),
            tuple(self._tax_classes),
            self._delivery,
            self._taxes,
            self._coupons,
        )

    def _currencies(self, channel: Channel) -> list[str]:
        if self._price_lists is None:
            return list(DECIMALS)
        lists = (name.split(" ") for name in self._price_lists)
        return [currency for on, currency in lists if on == channel]

    def _amounts(
        self, place: Place, amounts: Amounts, channels: Sequence[Channel]
    ) -> dict[str, int]:
        """Minor units by currency, of those that are right."""
        sold = {currency for channel in channels for currency in self._currencies(channel)}
        read = {}
        for currency, amount in amounts.items():
            where = (*place, currency)
            if currency not in sold:
                self._toml.fault(
                    where,
                    f"There is no price list {' or '.join(channels)} in {currency}: no article"
                    " has such a price.",
                )
                continue
            with self._fault_at(where):
                read[currency] = values.minor_units(amount, currency)
        return read

    def _fault_at(self, place: Place) -> AbstractContextManager[None]:
        return self._toml.faults.at(self._toml.file, self._toml.line(place))

    def _add_delivery(self, place: Place, delivery: toml_file.Delivery) -> None:
        before = self._toml.faults.count
        bands = self._bands(place, delivery)
        free_from = self._amounts((*place, "free_from"), delivery.free_from, [delivery.channel])
        unpriced = free_from.keys() - bands.keys() if self._toml.faults.count == before else ()
        for currency in sorted(unpriced):
            self._toml.fault(
                place, f"Delivery is free in {currency} from an amount, but has no price."
            )
        for country in delivery.countries:
            if country != ELSEWHERE:
                with self._fault_at((*place, "countries")):
                    values.country(country)
            for currency, steps in bands.items():
                key = delivery_key(delivery.channel, country, currency)
                rate = DeliveryRate(delivery.by, steps, free_from.get(currency))
                if self._is_new(key, place, f"Delivery to {country} in {currency}"):
                    self._delivery[key] = rate

    def _bands(self, place: Place, delivery: toml_file.Delivery) -> Mapping[str, tuple[Step, ...]]:
        """(from, price) pairs by currency."""
        before = self._toml.faults.count
        channels = [delivery.channel]
        if (delivery.price is None) == (not delivery.bands):
            self._toml.fault(place, "Delivery has either a `price`, or bands ([[delivery.band]]).")
            return {}
        if delivery.price is not None:
            prices = self._amounts((*place, "price"), delivery.price, channels)
            return {currency: ((0, price),) for currency, price in prices.items()}
        bands: dict[str, list[Step]] = {}
        for number, band in enumerate(delivery.bands):
            where = (*place, "band", number)
            begins = self._begins(where, band, delivery)
            for currency, price in self._amounts((*where, "price"), band.price, channels).items():
                if currency in begins:
                    bands.setdefault(currency, []).append((begins[currency], price))
        if self._toml.faults.count == before:
            self._check_bands(place, delivery, bands)
        return {currency: tuple(steps) for currency, steps in bands.items()}

    def _check_bands(
        self, place: Place, delivery: toml_file.Delivery, bands: Mapping[str, Sequence[Step]]
    ) -> None:
        for currency, steps in bands.items():
            if len(steps) != len(delivery.bands):
                self._toml.fault(place, f"Not every band has its amounts in {currency}.")
                continue
            if steps[0][0] != 0:
                self._toml.fault((*place, "band", 0), f"The first {currency} band is not from 0.")
            for number in range(1, len(steps)):
                if steps[number][0] <= steps[number - 1][0]:
                    self._toml.fault(
                        (*place, "band", number),
                        f"This band in {currency} does not begin above the one before.",
                    )

    def _begins(
        self, place: Place, band: toml_file.Band, delivery: toml_file.Delivery
    ) -> Mapping[str, int]:
        """Where a band begins, by currency."""
        if delivery.by == "weight":
            if band.from_g is None or band.from_ is not None or band.from_g < 0:
                self._toml.fault(place, "A band by weight begins at `from_g`, in grams.")
                return {}
            return dict.fromkeys(self._currencies(delivery.channel), band.from_g)
        if band.from_ is None or band.from_g is not None:
            self._toml.fault(place, "A band by subtotal begins at `from`, an amount by currency.")
            return {}
        return self._amounts((*place, "from"), band.from_, [delivery.channel])

    def _add_tax(self, place: Place, tax: toml_file.Tax) -> None:
        rates = self._rates(place, tax)
        if tax.delivery not in self._tax_classes:
            self._toml.fault((*place, "delivery"), self._no_class(tax.delivery))
            return
        if rates is None:
            return
        delivery_rate = rates[list(self._tax_classes).index(tax.delivery)]
        read = Tax(tax.included, rates, delivery_rate, tax.per, tax.rounding)
        for where in self._tax_places(place, tax):
            for channel in CHANNELS if tax.channel is None else (tax.channel,):
                key = tax_key(channel, where)
                if self._is_new(f"tax {key}", place, f"Tax for {channel} orders to {where}"):
                    self._taxes[key] = read

    def _rates(self, place: Place, tax: toml_file.Tax) -> tuple[int, ...] | None:
        """By place in the tax classes."""
        where = (*place, "rates")
        for name in tax.rates.keys() - set(self._tax_classes):
            self._toml.fault((*where, name), self._no_class(name))
        rates = []
        for name in self._tax_classes:
            if name not in tax.rates:
                self._toml.fault(where, f"There is no rate for the tax class {name!r}.")
                continue
            with self._fault_at((*where, name)):
                rates.append(values.rate(tax.rates[name]))
        return tuple(rates) if len(rates) == len(self._tax_classes) else None

    def _no_class(self, name: str) -> str:
        return f"There is no tax class {name!r}: there are {', '.join(self._tax_classes)}."

    def _tax_places(self, place: Place, tax: toml_file.Tax) -> Iterator[str]:
        if not tax.countries and not tax.states:
            self._toml.fault(place, "Tax names the `countries` or `states` that it is for.")
        for country in tax.countries:
            if country != ELSEWHERE:
                with self._fault_at((*place, "countries")):
                    values.country(country)
            yield country
        for state in tax.states:
            if not values.is_state(state):
                self._toml.fault(
                    (*place, "states"), f"{state!r} isn't a state: write it like US-CA."
                )
            yield state

    def _is_new(self, key: str, place: Place, what: str) -> bool:
        first = self._places.setdefault(key, place)
        if first == place:
            return True
        self._toml.fault(place, f"{what} is in the table of line {self._toml.line(first)} already.")
        return False

    def _check_every_price_is_delivered(self) -> None:
        reached = {f"{key.split(' ')[0]} {key.split(' ')[2]}" for key in self._delivery}
        for name in self._price_lists or ():
            if name not in reached:
                channel, _, currency = name.partition(" ")
                self._toml.fault(
                    ("delivery",),
                    f"There are {channel} prices in {currency}, and no delivery in {currency}.",
                )

    def _check_delivery_is_taxed(self) -> None:
        """Where goods go their tax is known, and where it is known they may go."""
        taxed = {key.partition("-")[0] for key in self._taxes}
        delivered = {key.rpartition(" ")[0] for key in self._delivery}
        for key in self._delivery:
            channel, country, _ = key.split(" ")
            if not taxed & {f"{channel} {country}", f"{channel} {ELSEWHERE}"}:
                self._toml.fault(
                    self._places[key],
                    f"There is {channel} delivery to {country}, and no tax for it.",
                )
        # Without what has an entry of its own, "*" is for the rest.
        elsewhere = {f"{one} {ELSEWHERE}" for one in CHANNELS}
        rest = {to.partition(" ")[0] for to in delivered - (taxed - elsewhere)}
        reported: set[tuple[Place, str]] = set()
        for key in self._taxes:
            where = key.partition(" ")[2]
            country = where.partition("-")[0]
            place = self._places[f"tax {key}"]
            reached = any(
                one in rest if where == ELSEWHERE else _reaches(delivered, one, country)
                for one in self._both_channels(place, where)
            )
            if not reached and (place, where) not in reported:
                reported.add((place, where))
                self._toml.fault(place, f"There is tax for {where}, and no delivery to it.")

    def _both_channels(self, place: Place, where: str) -> list[Channel]:
        """The channels that a table of taxes is for."""
        return [one for one in CHANNELS if self._places.get(f"tax {tax_key(one, where)}") == place]

    def _add_coupon(self, place: Place, coupon: toml_file.Coupon) -> None:
        before = self._toml.faults.count
        with self._fault_at((*place, "code")):
            values.coupon_code(coupon.code, single_use_codes=coupon.single_use_codes)
        if not coupon.channels:
            self._toml.fault((*place, "channels"), "A coupon names the `channels` that it is for.")
        rate, amounts = self._worth(place, coupon)
        begins, ends = self._time(place, coupon)
        read = Coupon(
            coupon.code,
            coupon.channels,
            rate,
            amounts,
            self._minimum(place, coupon),
            coupon.goods,
            begins,
            ends,
            coupon.combines,
            coupon.once_per_customer,
            coupon.limit,
            coupon.single_use_codes,
        )
        self._check_goods(place, read)
        self._check_limit(place, read)
        if self._toml.faults.count > before:
            return
        if self._is_new(f"coupon {coupon.code}", place, f"The coupon {coupon.code!r}"):
            self._coupons[coupon.code] = read

    def _worth(self, place: Place, coupon: toml_file.Coupon) -> tuple[int, dict[str, int]]:
        """The rate and the amounts; one of them is nothing."""
        if (coupon.percent is None) == (not coupon.amounts):
            self._toml.fault(place, "A coupon has either a `percent` or `amounts`.")
        rate = 0
        if coupon.percent is not None:
            with self._fault_at((*place, "percent")):
                rate = values.rate(coupon.percent, at_least=1)
        amounts = self._amounts((*place, "amounts"), coupon.amounts, coupon.channels)
        for currency in [currency for currency, amount in amounts.items() if amount == 0]:
            self._toml.fault((*place, "amounts"), f"An amount of nothing in {currency}.")
        return rate, amounts

    def _minimum(self, place: Place, coupon: toml_file.Coupon) -> dict[str, int]:
        minimum = self._amounts((*place, "minimum"), coupon.minimum, coupon.channels)
        if coupon.minimum and self._price_lists is not None:
            usable = set(coupon.amounts) or {
                currency for channel in coupon.channels for currency in self._currencies(channel)
            }
            for currency in sorted(usable - coupon.minimum.keys()):
                self._toml.fault(
                    (*place, "minimum"),
                    f"There is no minimum in {currency}, where the coupon would have none.",
                )
        return minimum

    def _time(self, place: Place, coupon: toml_file.Coupon) -> tuple[Millis, Millis]:
        begins = ends = NO_TIME
        with self._fault_at((*place, "from")):
            begins = NO_TIME if coupon.from_ is None else values.begin(coupon.from_, self._zone)
        with self._fault_at((*place, "until")):
            ends = NO_TIME if coupon.until is None else values.end(coupon.until, self._zone)
        if ends and begins >= ends:
            self._toml.fault((*place, "until"), "The coupon ends before it begins.")
        return begins, ends

    def _check_goods(self, place: Place, coupon: Coupon) -> None:
        if self._skus is None:
            return
        for goods in coupon.goods:
            beginning = goods.removesuffix("*")
            known = goods in self._skus if beginning == goods else self._begins_a_sku(beginning)
            if not known:
                self._toml.fault((*place, "goods"), f"There is no article {goods!r}.")

    def _begins_a_sku(self, beginning: str) -> bool:
        """Whether any sku does: 200,000 are not gone through for each coupon."""
        place = bisect_left(self._sorted_skus, beginning)
        return any(sku.startswith(beginning) for sku in self._sorted_skus[place : place + 1])

    def _check_limit(self, place: Place, coupon: Coupon) -> None:
        if coupon.limit is not None and not 1 <= coupon.limit <= LIMIT_MAX:
            self._toml.fault((*place, "limit"), f"A limit is 1 to {LIMIT_MAX:,} orders.")

    def _check_together(self, combining: Sequence[Coupon]) -> None:
        """Whatever an order has of them, one transaction can use it up."""
        limits = sorted(map(_limits, combining), reverse=True)[:DISCOUNTS_MAX]
        if sum(limits) > USED_UP_MAX:
            self._toml.fault(
                ("coupon", 0),
                f"The coupons that combine have {sum(limits)} limits together, and an order can"
                f" have {USED_UP_MAX}: let fewer of the limited ones combine.",
            )

    def _check_coupons(self) -> None:
        """A single-use code begins with its campaign's."""
        if len(self._coupons) > COUPONS_MAX:
            self._toml.fault(("coupon", 0), f"There are more than {COUPONS_MAX:,} coupons.")
        self._check_together([one for one in self._coupons.values() if one.combines])
        campaigns = {one.code for one in self._coupons.values() if one.single_use_codes}
        for code in self._coupons:
            for campaign in campaigns.intersection(_beginnings(code)):
                self._toml.fault(
                    self._places[f"coupon {code}"],
                    f"The coupon {code!r} looks like a single-use code of {campaign!r}.",
                )


def _limits(coupon: Coupon) -> int:
    """How many of the three ways to limit a coupon this one has."""
    return coupon.once_per_customer + coupon.single_use_codes + (coupon.limit is not None)


def _reaches(delivered: Collection[str], channel: Channel, country: str) -> bool:
    return f"{channel} {country}" in delivered or f"{channel} {ELSEWHERE}" in delivered


def _beginnings(code: str) -> Iterator[str]:
    """What stands before each hyphen."""
    parts = code.split("-")
    for count in range(1, len(parts)):
        yield "-".join(parts[:count])
