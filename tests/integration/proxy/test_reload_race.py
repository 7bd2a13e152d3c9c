"""Between verdict and bytes: policies that change all the time, and clients that never see half of one."""

import threading
import time

from tests.fake_upstream import run_asgi
from tests.integration.proxy.house import until

JSON = {"accept": "application/vnd.pypi.simple.v1+json"}
ROUNDS = 40


def test_every_answer_belongs_to_one_policy_and_none_to_one_that_was_already_gone(house, approved):
    """``alpha`` is in odd policies, ``beta`` in even ones.

    Whoever asked while one policy was in force from beginning to end gets the answer of that policy, on every route;
    what was asked across a change gets the answer of one of the two, whole.
    """
    alpha, beta = (house.approval(one) for one in approved)
    odd: list[object] = []
    counted = [0, 0]
    stop = threading.Event()
    with run_asgi(house.portal) as portal:
        house.settings = house.settings.model_copy(update={"portal_url": portal})
        house.publish(alpha)
        with house.open() as client:
            until(lambda: _sequence(client) == 1)
            for one in approved:  # both are here, so that nothing but the policy decides
                house.publish(house.approval(one))
                until(lambda: _sequence(client) == house.sequence)
                assert client.get(f"/w/everyone/pypi/files/{one.path}").status_code == 200

            def look():
                while not stop.is_set():
                    before = _sequence(client)
                    got = [_look(client, one) for one in approved]
                    listed = {
                        row["name"] for row in client.get("/w/everyone/pypi/simple/", headers=JSON).json()["projects"]
                    }
                    after = _sequence(client)
                    counted[before == after] += 1
                    wanted = [after % 2 == 1, after % 2 == 0]
                    if before == after and (got != [(have, have, have) for have in wanted] or len(listed) != 1):
                        odd.append((before, got, listed))
                    if before == after and listed != {"alpha" if wanted[0] else "beta"}:
                        odd.append((before, listed))

            threads = [threading.Thread(target=look) for _ in range(3)]
            house.publish(beta if house.sequence % 2 else alpha)
            until(lambda: _sequence(client) == house.sequence)
            for thread in threads:
                thread.start()
            for _ in range(ROUNDS):
                house.publish(beta if house.sequence % 2 else alpha)
                time.sleep(0.03)
            until(lambda: _sequence(client) == house.sequence)
            time.sleep(0.2)
            stop.set()
            for thread in threads:
                thread.join(30)
            assert odd == []
            assert counted[True] > 3
            assert house.sequence > ROUNDS


def _sequence(client):
    return client.get("/readyz").json().get("sequence")


def _look(client, one):
    """Tell whether file, part and METADATA may be had."""
    path = f"/w/everyone/pypi/files/{one.path}"
    answers = [client.get(path), client.get(path, headers={"range": "bytes=0-9"}), client.get(f"{path}.metadata")]
    assert {answer.status_code for answer in answers} <= {200, 206, 403}
    return tuple(answer.status_code != 403 for answer in answers)
