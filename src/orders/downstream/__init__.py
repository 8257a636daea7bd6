"""Inventory, fulfilment and accounting: one file each says which request does which step.

Their contracts are in docs/contracts/. `http` does the talking for all three.
"""

from orders.domain.saga import Downstream
from orders.downstream import accounting, fulfilment, inventory
from orders.downstream.http import RequestOf

REQUEST_OF: dict[Downstream, RequestOf] = {
    "inventory": inventory.request,
    "fulfilment": fulfilment.request,
    "accounting": accounting.request,
}
