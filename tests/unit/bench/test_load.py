"""What wrk prints is read, and anything but good answers is refused."""

import pytest

from bench.load import read
from bench.place import MeasureError

GOOD = """Running 2s test @ http://127.0.0.1:1/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.18s   336.31ms   2.11s    69.35%
  Latency Distribution
     50%  940.00us
     75%    1.42ms
     90%    1.65s{pad}
     99%    2.11s{pad}
  620 requests in 10.08s, 75.04MB read
{more}Requests/sec:      61.50
Transfer/sec:      7.45MB
""".replace("{pad}", " ")  # wrk fills units of one letter up with a blank


def test_rate_cpu_and_latencies_are_read():
    load = read(GOOD.format(more=""), cpu=6.2)
    assert (load.rate, load.cpu, load.middle, load.slowest) == (61.5, 10, pytest.approx(0.94), 2110)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (GOOD.format(more="  Non-2xx or 3xx responses: 3\n"), "Non-2xx or 3xx responses: 3"),
        (GOOD.format(more="  Socket errors: connect 0, read 1, write 0, timeout 0\n"), "Socket errors"),
        (GOOD.format(more="").replace("620 requests", "0 requests"), "0 requests"),
        ("unable to connect", "unable to connect"),
        (GOOD.format(more="").replace("99%", "98%"), "99 %"),
    ],
)
def test_what_is_no_good_answer_is_refused(said, words):
    with pytest.raises(MeasureError, match=words):
        read(said, cpu=1.0)
