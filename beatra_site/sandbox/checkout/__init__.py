"""The stand-in payment provider: Stripe's Checkout Sessions, in Stripe's wire format, with a page that looks like a card form.

`POST /checkout/v1/checkout/sessions` and what belongs to it for the gateway (api.py), `/checkout/pay/<session>` for its customer
(pages.py), signed webhooks back (deliveries.py). Nothing is paid, and all is forgotten when the process ends.
"""
