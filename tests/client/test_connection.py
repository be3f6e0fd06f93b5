"""When the service fails: what is sent again, how long that goes on, and what is said then."""

import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys.client import Client, Patience, RefusedError, ServiceError, UnavailableError
from recsys.errors import ConfigError, RecsysError

from .fake import (
    Asked,
    Body,
    Fake,
    answers,
    answers_and_leaves,
    babbles,
    fake,
    hangs_up,
    is_silent,
    refuses,
    trickles,
)

PATIENT = Patience(deadline=30.0, timeout=10.0, tries=5, backoff=0.01)
HASTY = Patience(deadline=30.0, timeout=0.3, tries=5, backoff=0.01)
"""Where the service is silent; an answer may take longer than this on a busy machine."""
TAKEN = {"accepted": 1, "duplicates": 0, "rejected": []}


def client(server: Fake, patience: Patience = PATIENT, **more: Any) -> Any:
    return closing(Client(server.address, patience=patience, **more))


def failure(ask: Callable[[], Any], kind: type[ServiceError] = UnavailableError) -> ServiceError:
    with pytest.raises(kind) as caught:
        ask()
    return caught.value


PASSING = [refuses(429), refuses(502), refuses(503), refuses(504), babbles(502), hangs_up,
           is_silent, trickles]  # fmt: skip


class TestWhatIsSentAgain:
    @pytest.mark.parametrize("step", PASSING)
    @pytest.mark.parametrize(
        "ask",
        [
            lambda shop: shop.recommend("u"),
            lambda shop: shop.recommend("u", cart=["i"]),
            lambda shop: shop.put_user("u", consent="full"),
            lambda shop: shop.erase_user("u"),
            lambda shop: shop.put_items([{"item_id": "i"}]),
            lambda shop: shop.send_events([{"user_id": "u", "event": "view", "item_id": "i"}]),
        ],
        ids=["GET", "reads by POST", "PUT", "DELETE", "puts many", "events"],
    )
    def test_what_may_be_done_twice(self, step: Any, ask: Callable[[Client], Any]) -> None:
        with fake(step, answer=lambda _: TAKEN) as server, client(server, HASTY) as shop:
            assert ask(shop)
        first, second, *_ = server.asked
        assert (first.method, first.path, first.body) == (second.method, second.path, second.body)

    @pytest.mark.parametrize("step", [refuses(502), refuses(503), hangs_up, is_silent])
    def test_what_may_have_been_done_is_not_done_twice(self, step: Any) -> None:
        patience = Patience(deadline=0.3)
        with fake(step) as server, client(server, patience) as shop:
            failure(lambda: shop.link("u", visitor_id="v"))
            server.steps = [step]
            failure(lambda: shop.activate("v1"))
        assert [one.path for one in server.asked] == ["/v1/users/u:link", "/v1/models/v1:activate"]

    def test_what_was_refused_for_being_too_much_was_not_done(self) -> None:
        with fake(refuses(429), answer=moved) as server, client(server) as shop:
            assert shop.link("u", visitor_id="v") == {"moved": 1}

    def test_what_could_not_be_sent_was_not_done(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        patience = Patience(tries=1000, backoff=0.01)
        with closing(Client(f"http://127.0.0.1:{port}", patience=patience)) as shop:
            answers: list[Any] = []
            thread = threading.Thread(target=lambda: answers.append(shop.link("u", visitor_id="v")))
            thread.start()
            time.sleep(0.1)
            with fake(answer=moved, port=port):
                thread.join()
        assert answers == [{"moved": 1}]

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422, 500, 501])
    def test_what_would_be_refused_again(self, status: int) -> None:
        with fake(refuses(status)) as server, client(server) as shop:
            failure(lambda: shop.recommend("u"), ServiceError)
        assert len(server.asked) == 1

    def test_no_more_than_agreed(self) -> None:
        with fake(*[refuses(503)] * 9) as server, client(server) as shop:
            failure(lambda: shop.recommend("u"))
        assert len(server.asked) == PATIENT.tries


class TestHowLong:
    def test_the_service_says_when_to_come_again(self) -> None:
        with fake(refuses(429, Retry_After="1")) as server, client(server) as shop:
            shop.recommend("u")
        assert server.gaps[0] >= 1.0

    def test_it_may_say_so_by_a_date(self) -> None:
        due = int(time.time()) + 2
        date = formatdate(due, usegmt=True)
        with fake(refuses(503, Retry_After=date)) as server, client(server) as shop:
            shop.recommend("u")
        assert time.time() >= due

    def test_what_is_no_time_is_as_if_nothing_was_said(self) -> None:
        with fake(refuses(503, Retry_After="soon")) as server, client(server) as shop:
            shop.recommend("u")
        assert len(server.asked) == 2

    def test_nobody_waits_for_what_comes_too_late(self) -> None:
        start = time.monotonic()
        with fake(refuses(429, Retry_After="60")) as server, client(server) as shop:
            error = failure(lambda: shop.recommend("u"))
        assert time.monotonic() - start < PATIENT.deadline
        assert error.retry_after == 60.0

    @pytest.mark.parametrize("step", [is_silent, trickles, refuses(503)])
    @pytest.mark.parametrize(
        "ask", [lambda shop: shop.recommend("u"), lambda shop: shop.link("u", visitor_id="v")]
    )
    def test_the_deadline_is_for_all_tries(self, step: Any, ask: Callable[[Client], Any]) -> None:
        patience = Patience(deadline=0.5, timeout=0.2, tries=1000, backoff=0.02)
        with fake(*[step] * 1000) as server, client(server, patience) as shop:
            start = time.monotonic()
            failure(lambda: ask(shop))
            assert time.monotonic() - start < 2.0

    @pytest.mark.parametrize("seed", [1, 2])
    def test_waits_grow_and_are_drawn_by_the_seed(self, seed: int) -> None:
        patience = Patience(deadline=60.0, timeout=10.0, tries=5, backoff=0.05)
        with fake(*[refuses(503)] * 4) as server, client(server, patience, seed=seed) as shop:
            shop.recommend("u")
        draw = random.Random(seed).uniform
        waits = [draw(0.0, 0.05 * 2**number) for number in range(4)]
        assert all(gap >= wait for gap, wait in zip(server.gaps, waits, strict=True))
        assert sum(server.gaps) < sum(waits) + 2.0

    @pytest.mark.parametrize(
        "wrong", [{"deadline": 0}, {"timeout": -1.0}, {"tries": 0}, {"backoff": -0.1}]
    )
    def test_what_cannot_be_meant(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match="times are above 0"):
            Patience(**wrong)


class TestWhatItSays:
    def test_an_error_of_the_service(self) -> None:
        with fake(refuses(404, "not_found")) as server, client(server) as shop:
            error = failure(lambda: shop.similar("i"), RefusedError)
        assert (error.status, error.code, error.message) == (404, "not_found", "no: not_found")
        assert error.request_id == "r1"
        assert str(error) == (
            "GET /v1/items/{item_id}/similar: no: not_found (404, not_found, request r1)"
        )

    def test_an_error_names_no_person(self) -> None:
        with fake(*[hangs_up] * HASTY.tries) as server, client(server, HASTY) as shop:
            error = failure(lambda: shop.recommend("somebody"))
        assert "somebody" not in str(error)

    @pytest.mark.parametrize(
        ("status", "kind"),
        [(401, RefusedError), (422, RefusedError), (429, UnavailableError),
         (500, UnavailableError), (503, UnavailableError)],
    )  # fmt: skip
    def test_whether_it_can_help_to_come_later(self, status: int, kind: type[ServiceError]) -> None:
        with fake(*[refuses(status)] * PATIENT.tries) as server, client(server) as shop:
            error = failure(lambda: shop.recommend("u"), ServiceError)
        assert type(error) is kind
        assert isinstance(error, RecsysError)

    def test_nobody_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"http://127.0.0.1:{free.getsockname()[1]}"
        with closing(Client(address, patience=PATIENT)) as shop:
            error = failure(shop.live)
        assert (error.status, error.code, error.request_id) == (None, "unreachable", None)
        assert f"no connection to {address}" in str(error)
        assert "is the service running there?" in str(error)

    @pytest.mark.parametrize("step", [hangs_up, is_silent, trickles])
    def test_no_answer(self, step: Any) -> None:
        with fake(*[step] * HASTY.tries) as server, client(server, HASTY) as shop:
            error = failure(shop.live)
        assert (error.status, error.code) == (None, "no_answer")

    def test_somebody_else_answers(self) -> None:
        with fake(babbles(200), babbles(404)) as server, client(server) as shop:
            for status in (200, 404):
                error = failure(shop.live, RefusedError)
                assert (error.status, error.code) == (status, "unknown_answer")
        assert len(server.asked) == 2

    @pytest.mark.parametrize(
        "address", ["localhost:8000", "ftp://shop", "", "http://", "http://shop:port"]
    )
    def test_what_is_no_address(self, address: str) -> None:
        with pytest.raises(ConfigError, match="address="):
            Client(address)

    def test_a_password_of_the_address_is_not_told(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        address = f"http://user:hunter2@127.0.0.1:{port}"
        with closing(Client(address, patience=PATIENT)) as shop:
            assert "hunter2" not in str(failure(shop.live))

    def test_a_key_with_a_line_end_is_not_told(self) -> None:
        with pytest.raises(ConfigError, match="a line's end") as caught:
            Client("http://127.0.0.1:8000", api_key="rk_secret\n")
        assert "secret" not in str(caught.value)


def judged(asked: Asked) -> Body:
    """Take in all events of users, and refuse those of nobody."""
    events = asked.body["events"]
    bad = [place for place, event in enumerate(events) if event["user_id"] == "nobody"]
    rejected = [{"index": place, "code": "c", "message": "m"} for place in bad]
    return {"accepted": len(events) - len(bad), "duplicates": 0, "rejected": rejected}


def moved(asked: Asked) -> Body:
    return {"moved": 1}


def views(*users: str) -> list[Any]:
    return [{"user_id": user, "item_id": "i", "event": "view"} for user in users]


class TestEvents:
    def test_each_has_an_id_that_a_try_more_does_not_change(self) -> None:
        events: list[Any] = [*views("a", "b"), {**views("c")[0], "event_id": "mine"}]
        before = [dict(event) for event in events]
        with fake(hangs_up, answer=judged) as server, client(server) as shop:
            shop.send_events(events)
            shop.send_events(events)
        first, again, later = ([e["event_id"] for e in one.body["events"]] for one in server.asked)
        assert first == again
        assert first[2] == later[2] == "mine"
        assert len({*first[:2], *later[:2]}) == 4
        assert events == before

    @settings(max_examples=10, deadline=None)
    @example(size=1200, bad={0, 700, 1100})
    @given(size=st.integers(0, 1700), bad=st.sets(st.integers(0, 1699), max_size=20))
    def test_indexes_are_places_in_the_callers_list(self, size: int, bad: set[int]) -> None:
        events = views(*("nobody" if place in bad else "u" for place in range(size)))
        with fake(answer=judged) as server, client(server) as shop:
            receipt = shop.send_events(iter(events))
        wrong = sorted(place for place in bad if place < size)
        assert [one["index"] for one in receipt["rejected"]] == wrong
        assert receipt["accepted"] == size - len(wrong)
        sizes = [len(one.body["events"]) for one in server.asked]
        assert sizes == [min(500, size - start) for start in range(0, size, 500)]

    def test_what_was_not_sent_is_kept_by_its_ids(self) -> None:
        events = views("nobody", *["u"] * 1199)
        with (
            fake(answers, refuses(403), answer=judged) as server,
            client(server) as shop,
        ):
            error = failure(lambda: shop.send_events(events), RefusedError)
            assert error.receipt is not None
            assert (error.receipt["accepted"], len(error.receipt["rejected"])) == (499, 1)
            assert len(error.unsent) == 700
            assert shop.send_events(error.unsent)["accepted"] == 700
        _, refused, again, _ = (one.body for one in server.asked)
        assert refused == again


class TestConnections:
    def test_one_is_kept_for_many_requests(self) -> None:
        with fake() as server, client(server, api_key="rk_mine") as shop:
            for _ in range(20):
                shop.live()
        assert server.connections == 1
        assert {one.headers["X-API-Key"] for one in server.asked} == {"rk_mine"}

    def test_one_that_the_service_closed_is_not_used_again(self) -> None:
        with fake(answers_and_leaves, answer=moved) as server, client(server) as shop:
            shop.link("u", visitor_id="v")
            time.sleep(0.1)
            shop.link("u", visitor_id="v")
        assert (server.connections, len(server.asked)) == (2, 2)

    def test_none_is_left_open(self) -> None:
        with fake() as server:
            with Client(server.address) as shop:
                shop.live()
            with pytest.raises(RuntimeError, match="closed"):
                shop.live()
