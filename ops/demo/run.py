"""From nothing to a verdict, and back to what ran before."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from agents.catalogue import SERVICES
from ops import contract, reading
from ops.demo.errors import ViolatedError
from ops.demo.outcome import Outcome
from ops.demo.play import Play, Progress
from ops.demo.poison import Spot, poison, spots
from ops.demo.reader import Reader
from ops.environment import Say, register
from ops.gateway.ledger import Ledger
from ops.load import Load, Mix
from ops.rig.fleet import PROJECTOR, Fleet, told, workers
from ops.rig.publisher import Publisher
from ops.rig.slate import cleaned, emptied
from ops.settings import Settings, variable
from ops.stack import Stack
from ops.stack.borrowed import borrowed
from ops.stack.progress import Report
from ops.stack.waiting import wait_until
from ops.verification import opening
from projections import database
from projections.engine import service_of
from projections.folds.catalogue import MODELS as FOLDS
from projections.models import MODELS
from projections.verify import Verdict, verify
from schemas.shopping import ProductListed
from schemas.topics import PARTITIONS, TOPICS
from streams.codec import Codec
from streams.kafka.topics import dead_letters_of
from streams.producer import deliver

#: Its own, because all that lies there is removed first.
ENVIRONMENT = "demo"
WORKERS = 2
PROJECTED_SECONDS = 30.0
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
        dsn = emptied(addresses.postgres, ENVIRONMENT)
        say(f"topics    {made} in the environment {ENVIRONMENT}, all of them made anew, and its database")
        ledger = directory / "gateway.sqlite"
        with (
            contract.opened(access) as registry,
            closing(Ledger(ledger)) as movements,
            _reader(client, codec := Codec(registry, ENVIRONMENT)) as reader,
            Publisher(client, codec, ENVIRONMENT) as publisher,
        ):
            poisoned = _stocked(client, codec, publisher, load)
            surroundings = told(addresses, ENVIRONMENT, database=dsn, gateway="rough")
            surroundings[variable("gateway_ledger")] = str(ledger)
            with Fleet([*workers(WORKERS), PROJECTOR], directory, surroundings) as fleet:
                fleet.await_shared([*(each.name for each in SERVICES), *map(service_of, MODELS)], PARTITIONS)
                say(f"workers   {WORKERS} share {len(SERVICES)} services; one more fills {len(MODELS)} read models")
                with show() as draw:
                    play = Play(reader, publisher, fleet, movements, draw)
                    play.await_stock([each.productId for each in load.shop() if isinstance(each, ProductListed)])
                    shoppers = [*load.shoppers()]
                    sent = [each for shopper in shoppers for each in shopper.sent]
                    play.publish(sorted(sent, key=lambda each: each.after))
                    wrong = play.end([shopper.cart_id for shopper in shoppers], load.stocktake(), poisoned)
                # What is read is a fold of what was said, at any moment; but we want to see all of it.
                wait_until(fleet.is_idle, seconds=PROJECTED_SECONDS)
                verdicts = _verified(client, codec, dsn)
            outcome = Outcome(
                carts=carts,
                seed=seed,
                messages=len(play.messages),
                tally=play.progress.tally,
                dead_letters=len(play.dead_letters),
                movements=len(movements.movements()),
                rows=sum(verdict.rows for verdict in verdicts),
                violations=(*wrong, *_differing(verdicts)),
                seconds=round(time.monotonic() - began, 1),
            )
        if outcome.violations:
            raise ViolatedError(outcome)
    return outcome


def _verified(client: dict[str, str], codec: Codec, dsn: str) -> list[Verdict]:
    """Every read model, held against an independent fold of its topics."""
    with reading.Reader(client, codec) as reader, database.opened(dsn) as connection:
        return [
            verify(connection, model, opening(reader, name, ENVIRONMENT, reading.unseen))
            for name, model in FOLDS.items()
        ]


def _differing(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    return tuple(
        f"a row is what its events make of it: {verdict.model}: {verdict.differing} of {verdict.rows} rows are not; "
        f"orderflow demo --keep, then orderflow projection verify {verdict.model} --env {ENVIRONMENT}, says which"
        for verdict in verdicts
        if verdict.differing
    )


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
