"""The security settings of a librdkafka client, as Faust wants them."""

import ssl
from collections.abc import Mapping

from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

from schemas.errors import OrderflowError

_KNOWN = frozenset(
    {
        "bootstrap.servers",
        "security.protocol",
        "sasl.mechanism",
        "sasl.username",
        "sasl.password",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
    }
)
_MECHANISMS = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})


class SecurityError(OrderflowError):
    """The settings can't be used for the control plane."""


def credentials(client: Mapping[str, str]) -> CredentialsT | None:
    """Translate them; None where the brokers ask for nothing."""
    if unknown := sorted(client.keys() - _KNOWN):
        raise SecurityError(
            f"the control plane can't honour {', '.join(unknown)}: leave it out of the client's settings"
        )
    protocol = client.get("security.protocol", "PLAINTEXT")
    match protocol:
        case "PLAINTEXT":
            return None
        case "SSL":
            return SSLCredentials(_context(client))
        case "SASL_PLAINTEXT":
            return _sasl(client, None)
        case "SASL_SSL":
            return _sasl(client, _context(client))
    raise SecurityError(f"security.protocol={protocol}: choose PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")


def _sasl(client: Mapping[str, str], context: ssl.SSLContext | None) -> SASLCredentials:
    mechanism = client.get("sasl.mechanism")
    if mechanism not in _MECHANISMS:
        raise SecurityError(f"sasl.mechanism={mechanism}: choose one of {', '.join(sorted(_MECHANISMS))}")
    if missing := [name for name in ("sasl.username", "sasl.password") if name not in client]:
        raise SecurityError(f"{client['security.protocol']} needs {' and '.join(missing)}")
    return SASLCredentials(
        username=client["sasl.username"], password=client["sasl.password"], mechanism=mechanism, ssl_context=context
    )


def _context(client: Mapping[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=client.get("ssl.ca.location"))
        if (certificate := client.get("ssl.certificate.location")) is not None:
            context.load_cert_chain(certificate, client.get("ssl.key.location"), client.get("ssl.key.password"))
    except OSError as error:  # among them every ssl.SSLError
        places = ", ".join(f"{name}={client[name]}" for name in sorted(client) if name.endswith(".location"))
        raise SecurityError(
            f"{places}: can't be read or used; each must be a PEM file, the key with its password"
        ) from error
    return context
