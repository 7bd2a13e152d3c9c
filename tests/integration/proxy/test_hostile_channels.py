"""No channel leads a client past the door: many attacks, unmodified clients, every representation, no leak."""

from tests.integration.proxy.hostile_channels import open_site, run


def test_no_hostile_channel_gets_anything_past_the_door(tmp_path, say):
    with open_site(tmp_path / "house") as site:
        found = run(site, tmp_path)
    assert found.leaks == []
    assert found.attacks >= 12
    assert len(found.clients) >= 7
    assert all(found.clients.values()), found.clients  # a client that can take nothing proves nothing
    assert len(found.forms) >= 8
    assert found.resolved > 75  # what is good is had all the same
    # the attacks are real: each of these leads the same client away, where it asks the channel itself
    led = {"base-url-absolute", "base-url-beside", "shards-base-url", "relations-base", "lying-shard"}
    assert led <= found.control.keys()
    say(
        f"hostile channels: {found.attacks} attacks, {len(found.clients)} clients, {len(found.forms)} representations,"
        f" {found.cases} cases, 0 leaks; unfiltered {len(found.control)} of them lead py-rattler away"
    )
