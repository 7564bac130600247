"""A rules file with an entry of each kind."""

RULES = """
[[rule]]
name = "purchase"
event = "purchase-order"
steps = [
    { target = "traits.private.revenue", op = "increment", from = "properties.total" },
    { target = "traits.public.city", from = "properties.city" },
    { target = "pii.email", op = "increment" },
]
[[rule]]
name = "large purchase"
event = "purchase-order"
when = "event.properties.total >= 1000.0"
steps = [{ target = "traits.public.large", value = true }]
[[segment]]
name = "Big spenders"
when = "profile.traits.private.revenue > 30"
[event.purchase-order]
schema = { type = "object", properties.total.type = "number" }
[[unwanted]]
name = "debugging"
types = ["debug-*"]
"""
