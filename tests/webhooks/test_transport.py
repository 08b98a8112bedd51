"""What a receiver, a name or the environment may do to a send."""

import gzip
import socket
import threading
import time
from types import SimpleNamespace

import pytest
import requests_hardened.ip_filter
from django.test import override_settings

from reviewapp.webhooks import transport
from tests.webhooks.receiver import Receiver, Reply

HEADERS = {"content-type": "application/json"}


def post(url: str) -> transport.Answer:
    return transport.post(url, headers=HEADERS, content=b"{}")


@pytest.fixture
def quick(monkeypatch):
    """A total timeout of a second instead of fifteen."""
    monkeypatch.setattr(transport, "TOTAL_SECONDS", 1.0)


def test_a_success_tells_status_and_answer(receiver):
    answer = post(receiver(Reply(status=204, body=b"")).url)

    assert answer.is_success
    assert (answer.status, answer.error, answer.text) == (204, "", "")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_no_success(receiver, status):
    target = receiver()
    answer = post(receiver(Reply(status=status, headers={"Location": target.url})).url)

    assert not answer.is_success
    assert answer.status == status
    assert target.received == []


def test_a_silent_receiver_is_given_up_after_the_total_timeout(receiver, quick):
    started = time.monotonic()

    answer = post(receiver(Reply(before=lambda: time.sleep(4))).url)

    assert not answer.is_success
    assert answer.status is None
    assert "no complete answer" in answer.error
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("what", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"])
def test_a_receiver_that_sends_byte_by_byte_is_given_up_too(receiver, quick, what):
    def dribble(handler):
        handler.wfile.write(what)
        for _ in range(60):
            handler.wfile.write(b"x")
            time.sleep(0.1)

    started = time.monotonic()
    answer = post(receiver(Reply(write=dribble)).url)

    assert not answer.is_success
    assert "no complete answer" in answer.error
    assert time.monotonic() - started < 2


def test_of_an_endless_answer_64_kilobytes_are_read_and_1_kept(receiver):
    hung_up = threading.Event()

    def flood(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"y" * 10_000)
        except OSError:
            hung_up.set()

    answer = post(receiver(Reply(write=flood)).url)

    assert hung_up.wait(5)
    assert answer.is_success
    assert answer.text == "y" * 1024


def test_a_compressed_answer_is_not_inflated(receiver):
    bomb = gzip.compress(b"0" * 10_000_000)

    answer = post(receiver(Reply(body=bomb, headers={"Content-Encoding": "gzip"})).url)

    assert answer.is_success
    assert len(answer.text) <= 1024
    assert "000" not in answer.text


def test_an_answer_that_is_no_text_can_be_stored(receiver):
    assert "\x00" not in post(receiver(Reply(body=b"\x00\xff\xfe ok")).url).text


def test_a_refused_connection_is_an_error_in_words(unused_port):
    answer = post(f"http://127.0.0.1:{unused_port}/")

    assert answer.status is None
    assert "refused" in answer.error.lower()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_receiver_that_speaks_no_http_is_an_error(receiver):
    answer = post(receiver(Reply(write=lambda handler: handler.wfile.write(b"\x00\x01nonsense\r\n\r\n"))).url)

    assert not answer.is_success
    assert answer.error


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
    ],
)
def test_a_private_address_is_refused_at_the_send(url):
    with override_settings(WEBHOOK_ALLOW_PRIVATE=False):
        answer = post(url)

    assert not answer.is_success
    assert answer.status is None
    assert "rivate" in answer.error or "https" in answer.error


@pytest.mark.parametrize(
    ("address", "allow_private"),
    [("127.0.0.1", False), ("::1", False), ("10.1.2.3", True), ("169.254.169.254", True), ("::ffff:10.0.0.1", True)],
)
def test_a_name_that_leads_to_a_private_address_is_refused_at_the_send(monkeypatch, address, allow_private):
    # Only the look-up is replaced: another machine's name service is out of a test's reach.
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 6, "", (address, 443))]
    names = SimpleNamespace(**{**vars(socket), "getaddrinfo": lambda *_args, **_options: found})
    monkeypatch.setattr(requests_hardened.ip_filter, "socket", names)

    with override_settings(WEBHOOK_ALLOW_PRIVATE=allow_private):
        answer = post("https://rebinding.example.com/hook")

    assert answer.error == "the name leads to a private address"


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch, receiver):
    at = receiver()
    port = at.server.server_port
    looked_up = []

    def once(host, *_args, **_options):
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(looked_up) == 1 else "10.0.0.1", port))]

    names = SimpleNamespace(**{**vars(socket), "getaddrinfo": once})
    monkeypatch.setattr(requests_hardened.ip_filter, "socket", names)

    answer = post(f"http://rebinding.example.com:{port}/hook")

    assert answer.is_success
    assert looked_up == ["rebinding.example.com"]
    assert at.received[0].headers["host"] == f"rebinding.example.com:{port}"


def test_no_proxy_of_the_environment_is_used(monkeypatch, receiver, unused_port):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    monkeypatch.setenv("NO_PROXY", "")

    assert post(receiver().url).is_success


def test_the_proxy_of_the_settings_is_used(receiver):
    proxy, at = receiver(), receiver()

    with override_settings(WEBHOOK_PROXY=proxy.url.removesuffix("/hook")):
        answer = post(at.url)

    assert answer.is_success
    assert [one.path for one in proxy.received] == [at.url]
    assert at.received == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("\xb2", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(receiver, value, seconds):
    answer = post(receiver(Reply(status=503, headers={"Retry-After": value})).url)

    assert answer.retry_after == seconds


def test_a_receiver_can_be_reached_many_times_at_once():
    from concurrent.futures import ThreadPoolExecutor

    with Receiver() as at, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, [at.url] * 40))

    assert all(answer.is_success for answer in answers)
    assert len(at.received) == 40
