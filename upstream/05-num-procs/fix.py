"""Put in place by import: the processes of one server end together."""

import os
import random
import signal
import sys
import threading

import tornado.process
from tornado.log import gen_log

SIGNALS = {signal.SIGTERM, signal.SIGINT}


def fork_processes(num_processes, max_restarts=None):
    """Fork children and return in each with its number; the parent watches them, and exits when all have ended.

    A child that ends abnormally is restarted, at most ``max_restarts`` times (100). SIGTERM and SIGINT to the parent
    end the children with SIGTERM, and the parent after them. A parent that is killed takes its children along: they
    hold the reading end of a pipe, which closes with it.
    """
    count = num_processes if num_processes and num_processes > 0 else tornado.process.cpu_count()
    restarts = 100 if max_restarts is None else max_restarts
    children, stopping = {}, False
    lifeline, held_by_parent = os.pipe()

    def stop(number, frame):
        nonlocal stopping
        stopping = True
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    handlers = {number: signal.signal(number, stop) for number in SIGNALS}

    def start(task):
        # No signal in between: a child must not act on one as if it were the parent.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid:
            children[pid] = task
        else:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            os.close(held_by_parent)
            threading.Thread(target=follow, args=[lifeline], name="lifeline", daemon=True).start()
            random.seed()
            tornado.process._task_id = task
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return pid == 0

    for task in range(count):
        if start(task):
            return task
    while children:
        pid, status = os.wait()
        task, code = children.pop(pid, None), os.waitstatus_to_exitcode(status)
        if task is None or code == 0 or stopping:
            continue
        gen_log.warning("child %d (pid %d) ended with %d, restarting", task, pid, code)
        if not restarts:
            raise RuntimeError("Too many child restarts, giving up")
        restarts -= 1
        if start(task):
            return task
    sys.exit(0)


def follow(lifeline):
    """End this process when the other end of the pipe closes, which is when the parent has ended."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


tornado.process.fork_processes = fork_processes
