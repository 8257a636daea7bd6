"""The origin: passes requests on as they are, and says so when it cannot."""

import gzip
from collections.abc import Callable, Iterator

import httpx
import pytest
from starlette.types import ASGIApp

from spillway.run.stack.origin import origin
from tests.hosting import Host

FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
Upstream = Callable[[httpx.Request], httpx.Response]
InFrontOf = Callable[[Upstream], httpx.Client]


@pytest.fixture
def in_front_of(host: Host) -> Iterator[InFrontOf]:
    """A function that makes a client of the origin, over HTTP, with `upstream` in the emulator's
    place."""
    with host.client() as client:

        def made(upstream: Upstream) -> httpx.Client:
            host.application = _origin(upstream)
            return client

        yield made


def _origin(upstream: Upstream) -> ASGIApp:
    def unread(request: httpx.Request) -> httpx.Response:
        answer = upstream(request)
        if not answer.is_stream_consumed:
            return answer
        stream = httpx.ByteStream(answer.content)
        return httpx.Response(
            answer.status_code, headers=answer.headers.multi_items(), stream=stream
        )

    emulator = httpx.AsyncClient(
        base_url="http://127.0.0.1:4566", transport=httpx.MockTransport(unread)
    )
    return origin(
        emulator,
        api_id="abcd1234",
        distribution="d123.cloudfront.net",
        console="http://127.0.0.1:8081",
    )


def test_the_local_page_is_the_consoles(in_front_of: InFrontOf) -> None:
    client = in_front_of(lambda _: httpx.Response(200))
    answer = client.get("/_local")
    assert (answer.status_code, answer.headers["location"]) == (
        307,
        "http://127.0.0.1:8081/stack",
    )


def _unreachable(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


def _silent(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("too slow")


def _broken(_: httpx.Request) -> httpx.Response:
    raise httpx.RemoteProtocolError("closed")


class TestForwarding:
    def test_method_path_query_body_and_token_arrive_unchanged(
        self, in_front_of: InFrontOf
    ) -> None:
        seen: list[httpx.Request] = []

        def record(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(201, json={"order_id": "1"})

        client = in_front_of(record)
        answer = client.put(
            "/api/orders/a%2Fb%20c?cursor=x%3D%3D&limit=2",
            content=b'{"total":1}',
            headers={"authorization": "Bearer t", "x-own": "kept"},
        )

        assert (answer.status_code, answer.json()) == (201, {"order_id": "1"})
        [request] = seen
        assert request.method == "PUT"
        assert request.url.raw_path == b"/api/orders/a%2Fb%20c?cursor=x%3D%3D&limit=2"
        assert request.content == b'{"total":1}'
        assert request.headers["authorization"] == "Bearer t"
        assert request.headers["x-own"] == "kept"

    def test_the_host_header_names_the_api(self, in_front_of: InFrontOf) -> None:
        seen: list[httpx.Request] = []

        def record(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200)

        client = in_front_of(record)
        client.get("/api/orders")

        assert seen[0].headers.get_list("host") == ["abcd1234.execute-api.127.0.0.1"]

    def test_headers_of_one_connection_only_are_not_passed_on(self, in_front_of: InFrontOf) -> None:
        seen: list[httpx.Request] = []

        def record(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(
                200, headers={"connection": "x-hop", "x-hop": "1", "keep-alive": "5", "x-end": "1"}
            )

        client = in_front_of(record)
        answer = client.get(
            "/api/orders", headers={"connection": "x-mine", "x-mine": "1", "te": "trailers"}
        )

        assert not {"x-mine", "te", "connection"} & set(seen[0].headers)
        assert not {"x-hop", "keep-alive", "connection"} & set(answer.headers)
        assert answer.headers["x-end"] == "1"

    def test_repeated_headers_stay_apart(self, in_front_of: InFrontOf) -> None:
        cookies = [("set-cookie", "a=1"), ("set-cookie", "b=2")]
        client = in_front_of(lambda _: httpx.Response(200, headers=cookies))
        answer = client.get("/api/orders")
        assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]

    def test_a_compressed_answer_stays_compressed(self, in_front_of: InFrontOf) -> None:
        compressed_body = gzip.compress(b"orders")

        def compressed(_: httpx.Request) -> httpx.Response:
            return httpx.Response(
                200, stream=httpx.ByteStream(compressed_body), headers={"content-encoding": "gzip"}
            )

        client = in_front_of(compressed)
        answer = client.get("/api/orders")
        assert answer.content == b"orders"
        assert answer.headers["content-length"] == str(len(compressed_body))

    def test_an_answer_without_a_body_has_none(self, in_front_of: InFrontOf) -> None:
        client = in_front_of(lambda _: httpx.Response(204))
        answer = client.delete("/api/orders")
        assert (answer.status_code, answer.content) == (204, b"")


class TestProblems:
    @pytest.mark.parametrize(
        ("upstream", "status", "detail"),
        [
            (_unreachable, 502, "The AWS emulator is not running any more."),
            (_broken, 502, "The AWS emulator broke off its answer."),
            (_silent, 504, "The API did not answer in time."),
        ],
    )
    def test_a_failing_emulator_becomes_a_problem_document(
        self, in_front_of: InFrontOf, upstream: Upstream, status: int, detail: str
    ) -> None:
        client = in_front_of(upstream)
        answer = client.get("/api/orders")
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.json()["detail"] == detail

    def test_a_body_beyond_ten_megabytes_is_refused_before_it_is_passed_on(
        self, in_front_of: InFrontOf
    ) -> None:
        client = in_front_of(_unreachable)
        refused = client.put("/api/orders/1", content=b"x" * 10_000_001)
        # As API Gateway says it.
        assert (refused.status_code, list(refused.json())) == (413, ["message"])
        assert client.put("/api/orders/1", content=b"x" * 10_000_000).status_code == 502

    @pytest.mark.parametrize(
        ("headers", "why"),
        [({}, "Bearer"), ({"authorization": "Bearer x"}, 'Bearer scope="" error="invalid_token"')],
    )
    def test_a_refused_token_is_answered_as_the_contract_says(
        self, in_front_of: InFrontOf, headers: dict[str, str], why: str
    ) -> None:
        client = in_front_of(lambda _: httpx.Response(401, json={"message": "Unauthorized"}))
        assert client.get("/api/orders", headers=headers).headers["www-authenticate"] == why

    def test_why_the_service_refuses_it_is_left_as_it_is(self, in_front_of: InFrontOf) -> None:
        own = {"www-authenticate": 'Bearer error="invalid_token"'}
        client = in_front_of(lambda _: httpx.Response(401, headers=own))
        assert client.get("/api/orders").headers.get_list("www-authenticate") == [*own.values()]


class TestStorefront:
    def test_every_other_path_is_the_distribution_s_and_as_if_by_tls(
        self, in_front_of: InFrontOf
    ) -> None:
        seen: list[httpx.Request] = []

        def record(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(404, text="no such page")

        client = in_front_of(record)
        answer = client.get("/apiary?a=b", headers={"x-forwarded-proto": "http"})

        assert (answer.status_code, answer.text) == (404, "no such page")
        [request] = seen
        assert request.url.raw_path == b"/apiary?a=b"
        assert request.headers.get_list("host") == ["d123.cloudfront.net"]
        assert request.headers.get_list("x-forwarded-proto") == ["https"]

    def test_it_is_compressed_as_by_cloudfront(self, in_front_of: InFrontOf) -> None:
        page = "<p>mugs</p>" * 1_000
        client = in_front_of(lambda _: httpx.Response(200, html=page))
        answer = client.get("/", headers={"accept-encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.text == page

    @pytest.mark.parametrize("encoding", ["gzip", "identity"])
    def test_what_never_changes_is_fetched_once_and_answered_alike(
        self, in_front_of: InFrontOf, encoding: str
    ) -> None:
        seen: list[str] = []

        def record(request: httpx.Request) -> httpx.Response:
            seen.append(str(request.url))
            return httpx.Response(200, headers=FOR_EVER, text=str(request.url) * 100)

        client = in_front_of(record)
        addresses = ["/shop.css", "/shop.css", "/shop.js", "/shop.css?v=2", "/shop.css"]
        answers = [client.get(one, headers={"accept-encoding": encoding}) for one in addresses]
        assert seen == [f"http://127.0.0.1:4566{one}" for one in (addresses[0], *addresses[2:4])]
        first, again, *_, last = answers
        assert first.text == again.text == last.text == seen[0] * 100
        assert first.headers.multi_items() == again.headers.multi_items()
        assert ("content-encoding" in last.headers) == (encoding == "gzip")

    @pytest.mark.parametrize(
        ("status", "headers", "asked"),
        [
            (200, {"cache-control": "no-cache"}, {}),
            (404, FOR_EVER, {}),
            (200, FOR_EVER, {"range": "bytes=0-1"}),
            (200, FOR_EVER, {"if-none-match": '"1"'}),
        ],
    )
    def test_whatever_else_is_fetched_each_time(
        self,
        in_front_of: InFrontOf,
        status: int,
        headers: dict[str, str],
        asked: dict[str, str],
    ) -> None:
        seen: list[httpx.Request] = []

        def record(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(status, headers=headers)

        client = in_front_of(record)
        for times in (1, 2):
            assert client.get("/file", headers=asked).status_code == status
            assert len(seen) == times

    def test_the_api_s_answers_are_not_touched(self, in_front_of: InFrontOf) -> None:
        client = in_front_of(lambda _: httpx.Response(200, json=["order"] * 1_000))
        answer = client.get("/api/orders", headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in answer.headers
