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
    assert project.run(FORK_WHILE_LOADING, asked) == "0"
    assert project.moved() == [200]


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
