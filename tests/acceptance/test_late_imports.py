"""What is loaded at first use, while other threads work and fork."""

from __future__ import annotations

import pickle
import typing

import pytest

import stripe_billing_router
from stripe_billing_router import testing
from tests.acceptance.conftest import Project

FORK_WHILE_LOADING = """
import encodings.utf_8_sig, os, signal, sys, threading, time
import stripe_billing_router
from stripe_billing_router.stripe_parameters import declared

loading = threading.Event()
FIRST = {
    "name": ("stripe_billing_router.default", lambda: stripe_billing_router.get_router),
    "router": ("stripe_billing_router.engine", lambda: stripe_billing_router.get_router()),
    "parameters": ("stripe.params", lambda: declared("PaymentIntentCreateParams")),
}
module, ask = FIRST[sys.argv[1]]


class Slow:
    def find_spec(self, name, path, target=None):
        if name == module:
            loading.set()
            time.sleep(0.5)


sys.meta_path.insert(0, Slow())
other = threading.Thread(target=ask)
other.start()
loading.wait()
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    stripe_billing_router.charge("finance:bot", 2)
    os._exit(0)
other.join()
print(os.waitpid(pid, 0)[1])
"""


@pytest.mark.parametrize("asked", ["name", "router", "parameters"])
def test_a_fork_while_another_thread_loads_the_library_does_not_hang_the_child(
    project: Project, asked: str
) -> None:
    """Whoever loads a module did not come along; the child would wait for it for ever."""
    process = project.start(FORK_WHILE_LOADING, asked)
    out, err = process.communicate(timeout=60)
    assert (out, "Exception ignored" in err) == ("0\n", False), err
    assert project.moved() == [200]


# The hook is registered before the library's, and so called after it: in the middle of a fork.
FORK_WHILE_A_GATE_IS_MADE = """
import os, threading
visitor, inside, leave = None, threading.Event(), threading.Event()


def in_the_middle_of_a_fork():
    visitor.start()
    inside.wait(0.5)


os.register_at_fork(before=in_the_middle_of_a_fork)
from stripe_billing_router.locks import ForkGate

belongs_to_a_library = threading.Lock()


def visit():
    with ForkGate(patience=60).inside(), belongs_to_a_library:
        inside.set()
        leave.wait(60)


visitor = threading.Thread(target=visit)
pid = os.fork()
if pid == 0:
    os._exit(0 if belongs_to_a_library.acquire(timeout=5) else 1)
leave.set()
visitor.join()
print(os.waitpid(pid, 0)[1])
"""


def test_nobody_is_inside_a_gate_that_comes_into_being_during_a_fork(project: Project) -> None:
    process = project.start(FORK_WHILE_A_GATE_IS_MADE)
    assert process.communicate(timeout=60) == ("0\n", "")


THREADS = """
import sys, threading
import stripe_billing_router

sys.setswitchinterval(1e-6)
start, failed = threading.Barrier(8), []


def use(name):
    start.wait()
    try:
        getattr(stripe_billing_router, name)
    except BaseException as error:
        failed.append(repr(error))


names = "charge get_router Charge BillingRouter StripeLedger RouteStrategy refund ROUTING_TABLE"
threads = [threading.Thread(target=use, args=(name,)) for name in names.split()]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failed)
"""


def test_threads_that_ask_for_different_names_at_once_all_get_them(project: Project) -> None:
    assert project.run(THREADS) == "[]"


@pytest.mark.parametrize("name", ["charge", "refund", "create_checkout_session", "get_balance"])
def test_the_annotations_of_a_verb_can_be_read(name: str) -> None:
    """Frameworks that offer functions to a model as tools read them."""
    hints = typing.get_type_hints(getattr(stripe_billing_router, name))
    assert issubclass(hints["return"], stripe_billing_router.Result)


LOAD = """
import pickle, sys
loaded = pickle.loads(bytes.fromhex(sys.argv[1]))
print(repr(loaded), loaded.amount_minor)
"""


def test_a_pickled_result_is_read_where_nothing_is_loaded_yet(project: Project) -> None:
    with testing.sandbox():
        paid = stripe_billing_router.charge("finance:finance_router_bot", "19.99")
    assert project.run(LOAD, pickle.dumps(paid).hex()) == f"{paid!r} 1999"
