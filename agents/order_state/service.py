"""The declaration of the service."""

from agents.order_state.decider import decide
from agents.order_state.state import Known
from schemas.orders import OrderState
from streams.service import Service

order_state = Service(name="order-state", state=Known, decide=decide, sends=(OrderState,))
