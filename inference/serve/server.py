"""The server's life: listen, answer, stop without dropping what was asked."""

import asyncio
import signal
import ssl
from collections.abc import Callable

import numpy as np

from inference.model import Model
from inference.refusal import BundleRefused
from inference.serve import places
from inference.serve.answers import Answers
from inference.serve.connection import Connection
from inference.serve.options import Options
from inference.serve.scorer import Scorer
from inference.serve.served import ServedModel
from inference.serve.service import Service

TIDY_S = 1.0


def run(model: Model, options: Options, *, say: Callable[[str], None]) -> None:
    """Serve the model until SIGTERM or SIGINT; `say` is told the address once requests are answered.

    Raises BundleRefused for a bundle that another server runs, and OSError where the address cannot be had.
    """
    if model.is_remote:
        raise BundleRefused("remote_not_served", "This bundle names a remote model; serve the bundle with the graph.")
    answers = Answers(model)
    model.novelty  # noqa: B018 made here rather than within the first request that asks for it
    # A number too large for float32 becomes infinite, as it does where a worker scores. Set for all that the loop
    # calls: once per request it would be a tenth of what reading costs.
    with np.errstate(over="ignore"):
        asyncio.run(_serve(answers, options, say))


async def _serve(answers: Answers, options: Options, say: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    manifest, stop = answers.model.manifest, asyncio.Event()
    served = ServedModel(
        answers,
        name=places.path_name(options.name or manifest.name),
        version=places.path_name(options.model_version or answers.model.digest),
        max_rows=options.max_rows,
    )
    scorer = Scorer(answers, batch_rows=options.batch_rows, timeout_s=options.run_timeout_s)
    service = Service(served, scorer, options)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    listener = await loop.create_server(
        lambda: Connection(service),
        options.host,
        options.port,
        ssl=_tls(options),
        backlog=min(options.max_connections, 1024),
        reuse_port=options.reuse_port or None,
    )
    scheme, port = "https" if options.certificate else "http", listener.sockets[0].getsockname()[1]
    host = f"[{options.host}]" if ":" in options.host else options.host
    say(
        f"Serving {served.name} version {served.version} at {scheme}://{host}:{port}/v2/models/{served.name} "
        f"({answers.model.provider})"
    )
    tidying = asyncio.create_task(_tidy(service, options))
    await stop.wait()
    tidying.cancel()
    await _finish(listener, service, options)
    scorer.close()


async def _tidy(service: Service, options: Options) -> None:
    while True:
        await asyncio.sleep(TIDY_S)
        now = asyncio.get_running_loop().time()
        for connection in list(service.connections):
            connection.tidy(now, request_s=options.request_timeout_s, idle_s=options.idle_timeout_s)


async def _finish(listener: asyncio.Server, service: Service, options: Options) -> None:
    """Nobody new, an answer for everybody who has asked, then the end."""
    service.is_stopping = True
    listener.close()
    end = asyncio.get_running_loop().time() + options.stop_timeout_s
    while service.connections and asyncio.get_running_loop().time() < end:
        for connection in list(service.connections):
            if connection.is_idle:
                connection.close()
        await asyncio.sleep(0.02)
    for connection in list(service.connections):
        connection.abort()


def _tls(options: Options) -> ssl.SSLContext | None:
    if options.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(options.certificate, options.key)
    return context
