"""Every read model that can be folded."""

from projections.folds import checkouts, inventory, orders, payments

MODELS = {module.MODEL.name: module.MODEL for module in (orders, payments, inventory, checkouts)}
