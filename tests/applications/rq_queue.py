"""RQ with the server at a unix socket: one worker with its scheduler, and jobs of every kind.

Usage: rq_queue.py SOCKET. The worker imports this file for the jobs themselves.
"""

import subprocess
import sys
from datetime import timedelta

from redis import Redis
from rq import Callback, Queue, Repeat, Retry, get_current_job
from rq.command import send_shutdown_command
from rq.job import Dependency, JobStatus
from rq.registry import FailedJobRegistry, ScheduledJobRegistry
from rq.results import Result

DEADLINE = 60


# ---- jobs


def add(a, b):
    get_current_job().connection.rpush("order", a)
    return a + b


def fail():
    raise ValueError("on purpose")


def fails_twice():
    if get_current_job().connection.incr("attempts") < 3:
        raise ValueError("again")
    return "at last"


def sum_of_dependencies():
    return sum(job.return_value() for job in get_current_job().fetch_dependencies())


def remember(job, connection, result, *_):
    connection.rpush("remembered", f"{job.id}:{result}")


def remember_failure(job, connection, kind, *_):
    connection.rpush("remembered", f"{job.id}:{kind.__name__}")


# ---- the test


def outcome(job):
    """The kind of a job's result, and what it returned."""
    result = job.latest_result(timeout=DEADLINE)
    assert result, f"{job.id} has no result"
    return result.type, result.return_value


def main(socket):
    connection = Redis(unix_socket_path=socket)
    queue = Queue(connection=connection)
    urgent = Queue("urgent", connection=connection)
    success, failure = Result.Type.SUCCESSFUL, Result.Type.FAILED

    # All of these wait for the worker, so that its order shows.
    ordinary = queue.enqueue("rq_queue.add", 1, 10, on_success=Callback("rq_queue.remember"), job_id="ordinary")
    late = queue.enqueue("rq_queue.add", 2, 20)
    first = queue.enqueue("rq_queue.add", 3, 30, at_front=True)
    before_all = urgent.enqueue("rq_queue.add", 4, 40)
    canceled = queue.enqueue("rq_queue.add", 5, 50)
    canceled.cancel()
    failing = queue.enqueue("rq_queue.fail", on_failure=Callback("rq_queue.remember_failure"), job_id="failing")
    flaky = queue.enqueue("rq_queue.fails_twice", retry=Retry(max=3))
    dependent = queue.enqueue("rq_queue.sum_of_dependencies", depends_on=[ordinary, late])
    never = queue.enqueue("rq_queue.add", 6, 60, depends_on=Dependency(jobs=[failing]))
    despite = queue.enqueue("rq_queue.add", 7, 70, depends_on=Dependency(jobs=[failing], allow_failure=True))
    scheduled = queue.enqueue_in(timedelta(seconds=1), "rq_queue.add", 8, 80)
    many = queue.enqueue_many([Queue.prepare_data("rq_queue.add", (n, n)) for n in range(100, 200)])
    repeated = queue.enqueue("rq_queue.add", 9, 90, repeat=Repeat(times=2, interval=1))
    assert scheduled.id in ScheduledJobRegistry(queue=queue)

    arguments = ["worker", "--with-scheduler", "--url", f"unix://{socket}", "urgent", "default"]
    worker = subprocess.Popen([sys.executable, "-m", "rq.cli", *arguments])
    try:
        assert outcome(ordinary) == (success, 11)
        assert outcome(late) == (success, 22)
        assert outcome(first) == (success, 33)
        assert outcome(before_all) == (success, 44)
        assert outcome(failing) == (failure, None)
        assert "ValueError: on purpose" in failing.latest_result().exc_string
        assert outcome(dependent) == (success, 33)
        assert outcome(despite) == (success, 77)
        assert outcome(many[-1]) == (success, 398)
        assert outcome(scheduled) == (success, 88)
        while flaky.get_status() != JobStatus.FINISHED:
            # Each attempt has a result of its own; what waits for the next one comes back when there is one.
            assert flaky.get_status() != JobStatus.FAILED
            last = flaky.latest_result()
            connection.xread({Result.get_key(flaky.id): last.id if last else "0-0"}, block=100)
        assert outcome(flaky) == (success, "at last")
        assert connection.get("attempts") == b"3"
        while len(repeated.results()) < 3:
            connection.xread({Result.get_key(repeated.id): repeated.latest_result(timeout=DEADLINE).id}, block=100)

        order = [int(n) for n in connection.lrange("order", 0, -1)]
        assert order[:4] == [4, 3, 1, 2], order
        assert 5 not in order and 6 not in order, order
        assert [n for n in order if n >= 100] == list(range(100, 200)), order
        assert order.count(9) == 3, order
        assert canceled.get_status() == JobStatus.CANCELED
        assert never.get_status() == JobStatus.DEFERRED
        assert sorted(connection.lrange("remembered", 0, -1)) == [b"failing:ValueError", b"ordinary:11"]
        assert FailedJobRegistry(queue=queue).get_job_ids() == ["failing"]
        last = failing.latest_result().id
        FailedJobRegistry(queue=queue).requeue("failing")
        assert connection.xread({Result.get_key("failing"): last}, block=1000 * DEADLINE), "it fails once more"
    finally:
        # By pub/sub, as an operator does.
        names = [key.decode().split(":")[-1] for key in connection.smembers("rq:workers")]
        for name in names:
            send_shutdown_command(connection, name)
        if not names:
            worker.terminate()
        status = worker.wait(DEADLINE)
    assert names and status == 0, (names, status)
    assert connection.scard("rq:workers") == 0
    print("all is well")


if __name__ == "__main__":
    main(sys.argv[1])
