"""From nothing to a verdict, and back to what ran before."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from agents.catalogue import SERVICES
from ops import contract
from ops.demo.errors import ViolatedError
from ops.demo.fleet import Fleet, told
from ops.demo.outcome import Outcome
from ops.demo.play import Play, Progress
from ops.demo.poison import Spot, poison, spots
from ops.demo.publisher import Publisher
from ops.demo.reader import Reader
from ops.demo.slate import cleaned
from ops.environment import Say, register
from ops.gateway.ledger import Ledger
from ops.load import Load, Mix
from ops.settings import Settings
from ops.stack import Stack
from ops.stack.borrowed import borrowed
from ops.stack.progress import Report
from schemas.shopping import ProductListed
from schemas.topics import PARTITIONS, TOPICS
from streams.codec import Codec
from streams.kafka.topics import dead_letters_of
from streams.producer import deliver

#: Its own, because all that lies there is removed first.
ENVIRONMENT = "demo"
WORKERS = 2
#: Customers begin so far apart: what two cores and a broker that has just started keep up with.
MILLIS_A_CART = 25

#: For as long as it plays, what is called often with how it stands.
Show = Callable[[], AbstractContextManager[Callable[[Progress], None]]]


def run(
    settings: Settings,
    report: Report,
    say: Say,
    show: Show,
    *,
    carts: int,
    seed: int,
    keep: bool,
) -> Outcome:
    """Start what is missing, play, and stop it again. Raises ViolatedError, with the outcome, where something is off.

    `keep`: the stack goes on running, and the workers' logs and the gateway's ledger stay.
    """
    began = time.monotonic()
    began_at = time.time_ns() // 1_000_000
    # What can't be used at all is added apart, as bytes.
    load = Load(seed=seed, count=carts, begins_at=began_at, millis=carts * MILLIS_A_CART, mix=Mix(poison=0))
    with borrowed(Stack(settings, report=report), keep=keep) as addresses, _workplace(say, keep=keep) as directory:
        client, access = settings.kafka_client(addresses.kafka), settings.registry_client(addresses.registry)
        register(access, ENVIRONMENT, say)
        made = cleaned(client, ENVIRONMENT, SERVICES)
        say(f"topics    {made} in the environment {ENVIRONMENT}, all of them made anew")
        ledger = directory / "gateway.sqlite"
        with (
            contract.opened(access) as registry,
            closing(Ledger(ledger)) as movements,
            _reader(client, codec := Codec(registry, ENVIRONMENT)) as reader,
            Publisher(client, codec, ENVIRONMENT) as publisher,
        ):
            poisoned = _stocked(client, codec, publisher, load)
            with Fleet(WORKERS, directory, told(addresses, ENVIRONMENT, gateway="rough", ledger=ledger)) as fleet:
                fleet.await_shared([service.name for service in SERVICES], PARTITIONS)
                say(f"workers   {WORKERS} share {len(SERVICES)} services")
                with show() as draw:
                    play = Play(reader, publisher, fleet, movements, draw)
                    play.await_stock([each.productId for each in load.shop() if isinstance(each, ProductListed)])
                    shoppers = [*load.shoppers()]
                    sent = [each for shopper in shoppers for each in shopper.sent]
                    play.publish(sorted(sent, key=lambda each: each.after))
                    wrong = play.end([shopper.cart_id for shopper in shoppers], load.stocktake(), poisoned)
            outcome = Outcome(
                carts=carts,
                seed=seed,
                messages=len(play.messages),
                tally=play.progress.tally,
                dead_letters=len(play.dead_letters),
                movements=len(movements.movements()),
                violations=wrong,
                seconds=round(time.monotonic() - began, 1),
            )
        if wrong:
            raise ViolatedError(outcome)
    return outcome


def _reader(client: dict[str, str], codec: Codec) -> Reader:
    return Reader(
        client,
        codec,
        topics=[topic.name(ENVIRONMENT) for topic in TOPICS],
        dead_letters=[dead_letters_of(service.name, ENVIRONMENT) for service in SERVICES],
        partitions=PARTITIONS,
    )


def _stocked(client: dict[str, str], codec: Codec, publisher: Publisher, load: Load) -> set[Spot]:
    """Before there is a worker: a price list that is there at its start is read before any cart is priced."""
    for message in load.shop():
        publisher.send(message)
    publisher.flush()
    bad = poison(codec, ENVIRONMENT)
    return spots(bad, deliver(client, bad), SERVICES, ENVIRONMENT)


@contextmanager
def _workplace(say: Say, *, keep: bool) -> Iterator[Path]:
    """A directory for the workers' state and logs. It stays where something is off, so that one can look why."""
    directory = Path(mkdtemp(prefix="orderflow-demo-"))
    stays = True
    try:
        yield directory
        stays = keep
    except KeyboardInterrupt:
        stays = keep
        raise
    finally:
        if stays:
            say(f"logs and the gateway's ledger stay in {directory}")
        else:
            rmtree(directory)
