"""Whoever takes events in, a thread or another process: the same becomes of them."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from recsys.cli.beside import beside
from recsys.config import load_config
from recsys.errors import StateError
from recsys.state import StateStore
from service import intake as intake_module
from service import passing
from service.intake import BusyError, Door, Intake, Receipt
from service.passing import Passing
from service.taker import Lines

TAKER = "service.taker"
NOW = 2_000_000_000_000_000


class Shop(NamedTuple):
    """A state, who takes its events in, and a user of whom it knows nothing."""

    state: StateStore
    known_events: frozenset[str]
    socket: str | None
    user: str = "fresh"

    @contextlib.asynccontextmanager
    async def door(self) -> AsyncIterator[Door]:
        opened: Door = (
            Intake(self.state, self.known_events) if self.socket is None else Passing(self.socket)
        )
        yield opened
        opened.close()

    def event(self, name: str, **more: Any) -> dict[str, Any]:
        return event(name, user_id=self.user, **more)

    def known(self) -> list[str]:
        return sorted(self.state.events_of([self.user])["event_id"])


def event(name: str, **more: Any) -> dict[str, Any]:
    row = {"user_id": "fresh", "item_id": "00001", "event": "view", "event_id": name}
    return {**row, "timestamp": "2024-06-20 10:00:00", **more}


@pytest.fixture(scope="module", params=["thread", "process"])
def opened(
    request: pytest.FixtureRequest, shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = Path(shutil.copytree(shop, tmp_path_factory.mktemp("taken") / "shop"))
    with _thread(folder) if request.param == "thread" else _process(folder) as found:
        yield found


@pytest.fixture
def taking(opened: Shop, request: pytest.FixtureRequest) -> Shop:
    """The same for every test of the module, each with a user of its own."""
    return opened._replace(user=request.node.name)


@contextlib.contextmanager
def _thread(folder: Path) -> Iterator[Shop]:
    config = load_config(folder / "recsys.toml")
    state = StateStore(config.state.url)
    yield Shop(state, config.interactions.known_events, None)
    state.close()


@contextlib.contextmanager
def _process(folder: Path) -> Iterator[Shop]:
    # The path of a socket may have some hundred characters, which a folder of pytest's has not.
    socket = os.path.relpath(folder / "s")
    with pytest.MonkeyPatch.context() as patch, _thread(folder) as found:
        patch.setenv("RECSYS_CONFIG", str(folder / "recsys.toml"))
        patch.setenv("RECSYS_INTAKE", socket)
        with beside(TAKER):
            yield found._replace(socket=socket)


def told(shop: Shop, ask: Callable[[Door], Any]) -> Any:
    async def asked() -> Any:
        async with shop.door() as door:
            return await ask(door)

    return asyncio.run(asked())


def test_it_is_there_before_anything_is_handed_in(taking: Shop) -> None:
    async def at_once(door: Door) -> Any:
        await door.open()
        return await asyncio.wait_for(door.take_in([taking.event("a")], now=NOW), 5)

    assert told(taking, at_once).accepted == 1


def test_what_is_taken_in_is_there(taking: Shop) -> None:
    receipt = told(
        taking, lambda door: door.take_in([taking.event("a"), taking.event("b")], now=NOW)
    )
    assert receipt == Receipt(2, 0, [])
    assert taking.known() == ["a", "b"]


def test_each_row_is_judged_by_itself(taking: Shop) -> None:
    strange = taking.event("é\u2028\n", quantity=2)
    rows = [taking.event("a"), {"user_id": taking.user}, "no event", taking.event("a"), strange]
    receipt = told(taking, lambda door: door.take_in(rows, now=NOW))
    assert (receipt.accepted, receipt.duplicates) == (2, 1)
    assert [one.place for one in receipt.rejected] == [1, 2]
    assert all(one.code and one.message for one in receipt.rejected)


def test_what_is_nested_deeply_spoils_nothing_beside_it(taking: Shop) -> None:
    nested: list[Any] = []
    for _ in range(5_000):
        nested = [nested]
    rows = [taking.event("a"), taking.event("b", query=nested), nested]
    receipt = told(taking, lambda door: door.take_in(rows, now=NOW))
    assert receipt.accepted == 1
    assert [(one.place, one.code) for one in receipt.rejected] == [
        (1, "invalid_field"),
        (2, "invalid_field"),
    ]


def test_the_future_has_not_happened(taking: Shop) -> None:
    receipt = told(taking, lambda door: door.take_in([taking.event("a")], now=0))
    assert [one.code for one in receipt.rejected] == ["time_in_the_future"]


def test_each_request_has_its_own_receipt(taking: Shop) -> None:
    async def many(door: Door) -> Any:
        requests = [
            [taking.event(f"{number}-{at}") for at in range(number)] for number in range(1, 40)
        ]
        return await asyncio.gather(*(door.take_in(rows, now=NOW) for rows in requests))

    receipts = told(taking, many)
    assert [one.accepted for one in receipts] == list(range(1, 40))
    assert len(taking.known()) == sum(range(1, 40))


def test_there_is_room_for_so_many(taking: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "MOST_WAITING", 10)

    async def too_many(door: Door) -> Any:
        first = asyncio.create_task(
            door.take_in([taking.event(str(n)) for n in range(30)], now=NOW)
        )
        await asyncio.sleep(0)
        assert door.waiting == 30
        with pytest.raises(BusyError, match="30 events wait"):
            await door.take_in([taking.event("late")], now=NOW)
        return await first

    # A request's own events are never too many by themselves.
    assert told(taking, too_many).accepted == 30


def test_whoever_has_left_holds_nobody_up(taking: Shop) -> None:
    async def leave(door: Door) -> Any:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(door.take_in([taking.event("a")], now=NOW), 0.001)
        return await door.take_in([taking.event("b")], now=NOW)

    assert told(taking, leave).accepted == 1


@pytest.mark.skipif(not Path("/proc").exists(), reason="no /proc: it tells the processes")
def test_a_process_that_stops_is_started_again(
    benchmark: Callable[[str], ModuleType], own_shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children_of = benchmark("service/serving").children_of

    def pid() -> int:
        return taker_of(children_of(os.getpid()), own_shop)

    async def through_a_crash(door: Door) -> None:
        await door.take_in([event("a")], now=NOW)
        # It is stopped first, so that it cannot answer what comes before its end.
        os.kill(pid(), signal.SIGSTOP)
        asked = asyncio.create_task(door.take_in([event("b")], now=NOW))
        await asyncio.sleep(0.05)
        os.kill(pid(), signal.SIGKILL)
        with pytest.raises(StateError, match="send them again"):
            await asked
        assert (await sent_again(door, [event("b")])).accepted == 1
        assert door.waiting == 0

    monkeypatch.setattr(passing, "PATIENCE_SECONDS", 60.0)
    with _process(own_shop) as shop:
        told(shop, through_a_crash)


async def sent_again(door: Door, rows: list[Any]) -> Receipt:
    """Send until they are acknowledged: who is just ending still lets callers in."""
    while True:
        with contextlib.suppress(StateError):
            return await door.take_in(rows, now=NOW)
        await asyncio.sleep(0.05)


def taker_of(children: Iterable[int], folder: Path) -> int:
    """Return the process that takes the events of a shop in."""
    (found,) = (child for child in children if _takes_for(Path(f"/proc/{child}"), folder))
    return found


def _takes_for(process: Path, folder: Path) -> bool:
    words, told = ((process / name).read_text("utf-8") for name in ("cmdline", "environ"))
    return TAKER in words and f"RECSYS_CONFIG={folder}/" in told


def test_a_process_that_is_not_there_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def several() -> Any:
        door = Passing(os.path.relpath(tmp_path / "s"))
        asked = (door.take_in([event("a")], now=NOW) for _ in range(20))
        return await asyncio.gather(*asked, return_exceptions=True)

    monkeypatch.setattr(passing, "PATIENCE_SECONDS", 0.5)
    start = time.monotonic()
    found = asyncio.run(several())
    # Nobody waits for the patience of those before her.
    assert time.monotonic() - start < 5
    assert {type(one) for one in found} == {StateError}
    assert all("cannot be reached" in str(one) for one in found)


def test_who_hangs_up_leaves_nothing_open(own_shop: Path) -> None:
    async def hang_up(intake: Intake, socket: str) -> bytes:
        server = await asyncio.start_unix_server(Lines(intake).answer, socket)
        reader, writer = await asyncio.open_unix_connection(socket)
        writer.write_eof()
        last = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        server.close()
        return last

    with _thread(own_shop) as shop:
        intake = Intake(shop.state, shop.known_events)
        assert asyncio.run(hang_up(intake, os.path.relpath(own_shop / "s"))) == b""
        intake.close()
