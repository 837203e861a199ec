"""What a worker is told to run: orders as a team implements them."""

from tests.sdk.declared.orders import Orders

orders = Orders()
