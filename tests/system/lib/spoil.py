"""A world that was read three times, of which each test spoils one thing: for tests of bad input.
A sentence names the thing and the way out, with the exit status of leaverd(8); nothing is lost and
nothing half done."""
import threading
import time

import pytest

from daemon import CommandFault, scim_user
from world import World, actions

OK, FAULT, USAGE, CONFIG, HELD, INCOMPLETE, UNREACHABLE, BUSY, DAMAGED, SECRET, NOT_FOUND = range(11)
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LDAP_LIMITS = "connect_timeout: 2s\n      answer_timeout: 3s\n      read_timeout: 5s"


@pytest.fixture(scope="module")
def settled(build, tmp_path_factory):
    """A world in mode propose that was read three times; each test spoils one thing of it."""
    with World(build, tmp_path_factory.mktemp("bad"), people=60, orphans=2, ldap_extra=LDAP_LIMITS) as w:
        config = w.daemon.config.read_text()
        w.daemon.write_config(config.replace("      per_second: 500\n", "      per_second: 500\n      tries: 2\n"
                                             "      timeout: 3s\n      deadline: 8s\n"))
        w.daemon.stop()
        w.daemon.start()
        w.push()
        w.ready()
        w.rounds()
        w.arm()
        w.disabled = {a["email"] for a in actions(w.plan(), "leaver-directory")}
        yield w


@pytest.fixture
def world(settled):
    """The settled world; what a test spoiled in its config or at Atlassian is put back."""
    config = settled.daemon.config.read_text()
    yield settled
    settled.rehearsal.clear_faults()
    if settled.daemon.config.read_text() != config:
        restart(settled, config)


def restart(world, config):
    world.daemon.write_config(config)
    try:
        world.daemon.stop()
    finally:  # a daemon that ended badly is one test's failure, not that of all behind it
        world.daemon.start()
        for client in (world.hr, world.idp):
            client.port, client.local = world.daemon.scim_port, threading.local()


def restart_with(world, old, new):
    config = world.daemon.config.read_text()
    assert old in config
    restart(world, config.replace(old, new))


def fault(daemon, status, *argv, **options):
    """stderr of a command that must end with that status."""
    with pytest.raises(CommandFault) as caught:
        daemon.command(*argv, **options)
    assert caught.value.status == status, caught.value
    return caught.value.err


def scim_serves(world):
    """A push and a look at it: the SCIM side goes on."""
    world.idp.local = threading.local()  # an idle connection may have been closed meanwhile
    number = time.monotonic_ns()
    person = dict(world.ordinary[0], mail="guest%d@example.com" % number, uid="g%d" % number)
    made = world.idp.create(scim_user(person))
    assert world.idp.get("Users/" + made["id"])["userName"] == person["mail"]
    world.idp.delete("Users/" + made["id"])
