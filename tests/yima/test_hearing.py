"""A worker over the database as broker that hears of nothing any more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url

from yima.hearing import DEAF_S, Hearing
from yima.queues import LONG_QUEUE, QUEUE


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The transport's tables with two messages for the short worker."""
    made = create_engine(make_url(database_url).set(drivername="postgresql+psycopg"))
    with made.begin() as tx:
        tx.execute(text("CREATE TABLE kombu_queue (id int PRIMARY KEY, name text)"))
        tx.execute(text("CREATE TABLE kombu_message (id int PRIMARY KEY, visible bool, queue_id int)"))
        tx.execute(text("INSERT INTO kombu_queue VALUES (1, :short), (2, :long)"), {"short": QUEUE, "long": LONG_QUEUE})
        tx.execute(text("INSERT INTO kombu_message VALUES (5, true, 1), (6, true, 1)"))
    yield made
    made.dispose()


def test_an_idle_worker_is_deaf_when_one_message_has_waited_for_a_minute(engine: Engine) -> None:
    now = 0.0
    hearing = Hearing(engine, QUEUE, clock=lambda: now)
    assert not hearing.is_deaf(busy=False)
    now = DEAF_S - 0.1
    assert not hearing.is_deaf(busy=False)
    now = DEAF_S
    assert hearing.is_deaf(busy=False)


def test_a_worker_that_is_busy_or_takes_messages_is_not_deaf(engine: Engine) -> None:
    now = 0.0
    hearing = Hearing(engine, QUEUE, clock=lambda: now)
    assert not hearing.is_deaf(busy=False)
    now = 100.0
    assert not hearing.is_deaf(busy=True), "busy: the minute begins anew"
    now = 100.0 + DEAF_S - 0.1
    assert not hearing.is_deaf(busy=False)
    with engine.begin() as tx:
        tx.execute(text("UPDATE kombu_message SET visible = false WHERE id = (SELECT min(id) FROM kombu_message)"))
    now = 300.0
    assert not hearing.is_deaf(busy=False), "it took one: another is the oldest"


def test_an_empty_queue_and_another_workers_messages_make_nobody_deaf(engine: Engine) -> None:
    now = 0.0
    hearing = Hearing(engine, LONG_QUEUE, clock=lambda: now)
    assert not hearing.is_deaf(busy=False)
    now = 200.0
    assert not hearing.is_deaf(busy=False)
