"""Pairs of keys: what was written, and what the schema declares. Of another meaning, or a slip of the keyboard."""

import random
from collections.abc import Iterator
from itertools import permutations
from typing import Final

Pair = tuple[str, str]

_STEMS: Final[dict[str, tuple[str, ...]]] = {
    "duration_{}": ("s", "ms", "min", "h", "ns", "days"),
    "timeout{}": ("Sec", "Ms", "Min"),
    "weight_{}": ("kg", "lb", "g", "oz"),
    "width_{}": ("mm", "cm", "px", "in"),
    "distance-{}": ("km", "mi", "m"),
    "size_{}": ("kb", "mb", "gb", "kib"),
    "temp_{}": ("c", "f", "k"),
    "power_{}": ("kw", "mw", "w"),
    "amount_{}": ("usd", "aud", "cad", "eur", "sgd"),
    "price{}": ("Gbp", "Eur", "Usd"),
    "fee_{}": ("cents", "dollars"),
    "voltage_{}": ("v", "mv", "kv"),
    "capacity_{}": ("ah", "mah", "wh"),
    "{}_id": ("buyer", "payer", "payee", "seller"),
    "{}_name": ("sender", "receiver", "recipient"),
    "{}Address": ("billing", "shipping"),
    "{}_ref": ("lessor", "lessee"),
    "{}_email": ("employer", "employee"),
    "{}_account": ("debit", "credit"),
    "{}_party": ("debtor", "creditor"),
    "{}_code": ("trainer", "trainee"),
    "tax_{}": ("incl", "excl"),
    "{}_total": ("gross", "net"),
    "{}Price": ("min", "max"),
    "{}_date": ("start", "end"),
    "{}_at": ("created", "updated", "deleted"),
    "{}_line": ("first", "second", "third"),
    "line{}": ("1", "2", "12"),
    "{}_port": ("source", "target"),
    "{}bound": ("in", "out"),
    "{}crease": ("in", "de"),
    "{}ward": ("for", "back"),
    "{}_rate": ("bid", "ask"),
    "valid_{}": ("from", "to", "until"),
    "bytes_{}": ("in", "out", "sent"),
    "{}": ("lat", "lon"),
}
_WORDS: Final = """
form/from from/form item/items tags/tag debt/debit code/mode cost/post host/post port/sort date/rate rate/rare
color/colors title/tile carrier/barrier person/persona unit/unity role/rule data/date trial/trail angel/angle
sing/sign signal/single casual/causal quiet/quite untied/united public/pubic martial/marital accept/except
affect/effect assure/ensure desert/dessert principal/principle stationary/stationery locked/unlocked
valid/invalid total/subtotal paid/unpaid read/unread active/inactive closed/closes expired/expires payee/payer
payerid/buyerid formdate/fromdate v1_1/v11 power_mW/power_MW size_Mb/size_MB user_is/user_id lender/lander
renter/center vendor/vender caller/callee referrer/referee assignor/assignee grantor/grantee order_no/order_to
sold/hold gain/again word/work tax_code/fax_code car_id/cart_id gift/lift tire/tier brand/band stop/step
star/start lease/release filed/field dairy/diary sever/server contract/contact costumer/customer plain/plan
route/rout discount/discounted averse/adverse planed/planned planer/planner filed/filled filing/filling filer/filler
rate/rater lease/leaser license/licensee consign/consignee collects/collected locator/allocator vender/sender
tiled/tilled
"""
_NAMES: Final = """
order_id customer_name quantity description unit_price currency shipping_address postal_code first_name
created_at updatedAt discount invoice_number payment_method telephone country language request_id timestamp
environment reference tracking_number delivery_date subtotal tax_rate manager employee_id maximum status
category warehouse supplier productName attributes confidence departure_date passengerCount emailAddress
duration_ms amount_usd weight_kg
"""
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def other_meanings() -> Iterator[Pair]:
    """Yield pairs of names of which one never stands for the other."""
    for stem, words in _STEMS.items():
        yield from ((stem.format(one), stem.format(other)) for one, other in permutations(words, 2))
    for pair in _WORDS.split():
        one, other = pair.split("/")
        yield one, other


def keyboard_slips(seed: int) -> Iterator[Pair]:
    """Yield what a slip makes of names: two letters swapped, one doubled, one lost, one hit beside its key."""
    chance = random.Random(seed)
    for name in _NAMES.split():
        long = [at for at in range(1, len(name) - 1) if name[at - 1 : at + 2].isalpha() and _within_long(name, at)]
        for slip in (_swapped, _doubled, _lost, _beside):
            made = slip(name, chance.choice(long))
            if made != name:
                yield made, name


def _within_long(name: str, at: int) -> bool:
    begin, end = at, at
    while begin > 0 and name[begin].islower():
        begin -= 1
    while end + 1 < len(name) and name[end + 1].islower():
        end += 1
    return end - begin >= 4 and begin < at < end


def _swapped(name: str, at: int) -> str:
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


def _doubled(name: str, at: int) -> str:
    return name[: at + 1] + name[at:]


def _lost(name: str, at: int) -> str:
    return name[:at] + name[at + 1 :]


def _beside(name: str, at: int) -> str:
    row = next((row for row in _ROWS if name[at] in row), "")
    place = row.find(name[at])
    other = row[place + 1] if place + 1 < len(row) else row[place - 1 : place]
    return name[:at] + other + name[at + 1 :] if row else name
