"""Celery with the server at a unix socket as its broker and for its results.

Usage: celery_queue.py SOCKET. The worker imports this file for the tasks themselves.
"""

import os
import subprocess
import sys

from celery import Celery, chain, chord, group
from celery.exceptions import TaskRevokedError
from redis import Redis

DEADLINE = 60
URL = "redis+socket://" + os.environ.setdefault("SOCKET", sys.argv[1] if len(sys.argv) == 2 else "")

app = Celery("celery_queue", broker=URL, backend=URL)
app.conf.update(
    task_default_queue="work",
    result_extended=True,
    task_track_started=True,
    worker_send_task_events=True,
    broker_connection_retry_on_startup=True,
)


# ---- tasks


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail():
    raise ValueError("on purpose")


@app.task(bind=True, max_retries=5, default_retry_delay=0)
def fails_twice(self):
    if self.request.retries < 2:
        raise self.retry(exc=ValueError("again"))
    return self.request.retries


# ---- the test


def main():
    connection = Redis(unix_socket_path=os.environ["SOCKET"])
    revoked = add.apply_async((1, 1), countdown=3600)
    worker = subprocess.Popen([sys.executable, "-m", "celery", "-A", "celery_queue", "worker", "--concurrency=2"])
    try:
        assert add.delay(1, 2).get(timeout=DEADLINE) == 3
        # A pub/sub message for each result, and MGET for those that were there before.
        results = group(add.s(n, n) for n in range(200))().get(timeout=DEADLINE)
        assert results == [2 * n for n in range(200)], results

        failed = fail.delay()
        try:
            failed.get(timeout=DEADLINE)
            raise AssertionError("it does not fail")
        except ValueError as error:
            assert str(error) == "on purpose", error
        assert failed.state == "FAILURE" and "on purpose" in failed.traceback

        assert fails_twice.delay().get(timeout=DEADLINE) == 2
        assert add.apply_async((3, 4), countdown=1).get(timeout=DEADLINE) == 7
        assert chain(add.s(1, 2), add.s(10), add.s(100))().get(timeout=DEADLINE) == 113
        # The counter of a chord is kept in the server.
        assert chord((add.s(n, 1) for n in range(50)), total.s())().get(timeout=DEADLINE) == sum(range(51))
        assert add.apply_async((5, 5), priority=9).get(timeout=DEADLINE) == 10
        forgotten = add.delay(2, 2)
        assert forgotten.get(timeout=DEADLINE) == 4
        assert connection.exists(f"celery-task-meta-{forgotten.id}")
        forgotten.forget()
        assert not connection.exists(f"celery-task-meta-{forgotten.id}")

        # Broadcast to all workers, and answers from each.
        pong = app.control.ping(timeout=DEADLINE, limit=1)
        assert list(pong[0].values()) == [{"ok": "pong"}], pong
        app.control.revoke(revoked.id, terminate=True, reply=True, timeout=DEADLINE, limit=1)
        inspect = app.control.inspect(timeout=DEADLINE, limit=1)
        assert [id for ids in inspect.revoked().values() for id in ids] == [revoked.id]
        assert [len(tasks) for tasks in inspect.scheduled().values()] == [1]
        assert inspect.stats()
    finally:
        app.control.shutdown()
        try:
            status = worker.wait(DEADLINE)
        finally:
            worker.kill()
    assert status == 0, status
    # What was revoked went back to the queue, for it was not acknowledged.
    assert connection.hlen("unacked") == 0 and connection.llen("work") == 1
    print("all is well")


if __name__ == "__main__":
    main()
