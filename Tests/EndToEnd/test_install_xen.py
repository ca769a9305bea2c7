"""`drawbridge install-xen`, and `make install-xen` with a package that brings scripts of its own."""

import itertools
import os

from rig import product
from rig.cases import demand, test
from rig.namespaces import run

NAMES = ["network-bridge", "network-nat", "network-route", "vif-bridge", "vif-nat", "vif-openvswitch",
         "vif-route", "vif-setup"]
_counter = itertools.count(1)


def directory_with(**texts):
    """A directory of scripts that say who they are."""
    directory = os.path.join(product.scratch(), f"xen{next(_counter)}")
    os.mkdir(directory)
    for name, text in texts.items():
        write(os.path.join(directory, name.replace("_", "-")), text)
    return directory


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)


def contents(directory):
    """What is in a directory: texts, and where links lead."""
    found = {}
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if os.path.islink(path):
            found[name] = "-> " + os.readlink(path)
        else:
            with open(path) as file:
                found[name] = file.read()
    return found


def install(directory, *options, check=True):
    client = os.path.join(product.installation().root, "usr/lib/drawbridge/drawbridge-hotplug")
    return run([product.installation().command, "install-xen", "--directory", directory, *options]
               + ([] if "--remove" in options else ["--client", client]), check=check)


def client_links():
    target = os.path.join(product.installation().root, "usr/lib/drawbridge/drawbridge-hotplug")
    return {name: f"-> {target}" for name in NAMES}


@test("install-xen keeps what was there, and --remove puts it back; both may be repeated")
def there_and_back():
    directory = directory_with(vif_bridge="stock", block="block", block_nbd="nbd")
    os.symlink("vif-bridge", os.path.join(directory, "vif-setup"))
    before = contents(directory)
    install(directory, "--dry-run")
    demand(contents(directory) == before, "a dry run changed something")
    for _ in range(2):
        install(directory)
        expected = {**before, **client_links(), "vif-bridge.distrib": "stock", "vif-setup.distrib": "-> vif-bridge"}
        demand(contents(directory) == expected, f"{contents(directory)}")
    for _ in range(2):
        install(directory, "--remove")
        demand(contents(directory) == before, f"{contents(directory)}")


@test("install-xen completes what was interrupted, and so does --remove")
def interrupted():
    for way in ([], ["--remove"]):
        directory = directory_with(vif_bridge="stock")
        os.link(os.path.join(directory, "vif-bridge"), os.path.join(directory, "vif-bridge.distrib"))
        os.symlink("/nowhere", os.path.join(directory, ".vif-bridge.drawbridge"))
        install(directory, *way)
        found = contents(directory)
        if way:
            demand(found == {"vif-bridge": "stock", ".vif-bridge.drawbridge": "-> /nowhere"}, f"{found}")
        else:
            demand(found == {**client_links(), "vif-bridge.distrib": "stock"}, f"{found}")


@test("install-xen refuses before anything changes, in one line, and touches nothing of anybody else's")
def refusals():
    directory = directory_with(vif_bridge="somebody's", vif_route="stock")
    write(os.path.join(directory, "vif-bridge.distrib"), "older")
    before = contents(directory)
    result = install(directory, check=False)
    demand(result.returncode == 6 and "vif-bridge" in result.stderr, f"{result}")
    demand(len(result.stderr.splitlines()) == 1, result.stderr)
    demand(contents(directory) == before, f"{contents(directory)}")
    install(directory, "--remove")
    demand(contents(directory) == before, f"{contents(directory)}")
    result = install("/nowhere/scripts", check=False)
    demand(result.returncode == 5 and "/nowhere/scripts" in result.stderr, f"{result}")
    result = run([product.installation().command, "install-xen", "--directory", directory, "--client", "/nowhere"],
                 check=False)
    demand(result.returncode != 0, "a client that is not there was accepted")


@test("without --client the links lead to the client beside the command")
def own_client():
    directory = directory_with()
    run([product.installation().command, "install-xen", "--directory", directory])
    demand(contents(directory) == client_links(), f"{contents(directory)}")


def package(version, directory, script):
    """A package like xen-utils-common: one script, which is a conffile."""
    root = os.path.join(product.scratch(), f"deb{next(_counter)}")
    os.makedirs(os.path.join(root, "DEBIAN"))
    os.makedirs(root + directory)
    write(f"{root}{directory}/vif-bridge", script)
    with open(os.path.join(root, "DEBIAN/control"), "w") as file:
        file.write(f"Package: some-xen\nVersion: {version}\nArchitecture: all\nMaintainer: Nobody <n@example.org>\n"
                   "Description: scripts\n")
    with open(os.path.join(root, "DEBIAN/conffiles"), "w") as file:
        file.write(f"{directory}/vif-bridge\n")
    run(["dpkg-deb", "--build", "--root-owner-group", root, root + ".deb"])
    return root + ".deb"


@test("make install-xen and uninstall-xen: an upgrade of the package in between keeps the links, and brings its new script")
def upgrade():
    directory = directory_with()
    admin = os.path.join(product.scratch(), f"dpkg{next(_counter)}")
    for name in ("info", "updates", "triggers"):
        os.makedirs(os.path.join(admin, name))
    for name in ("status", "available"):
        write(os.path.join(admin, name), "")
    dpkg = ["dpkg", "--admindir", admin, "--log=/dev/null", "--force-confdef", "--force-bad-path"]
    words = [f"XENSCRIPTDIR={directory}", f"DPKG_DIVERT=dpkg-divert --admindir {admin}",
             f"DRAWBRIDGE={product.installation().command}"]
    run([*dpkg, "-i", package("1", directory, "first")])
    demand(contents(directory) == {"vif-bridge": "first"}, f"{contents(directory)}")
    run(["make", "-s", "-C", product.REPOSITORY, "install-xen", *words])
    demand(contents(directory) == {**client_links(), "vif-bridge.distrib": "first"}, f"{contents(directory)}")
    run([*dpkg, "-i", package("2", directory, "second")])
    demand(contents(directory) == {**client_links(), "vif-bridge.distrib": "second"}, f"{contents(directory)}")
    run(["make", "-s", "-C", product.REPOSITORY, "uninstall-xen", *words])
    demand(contents(directory) == {"vif-bridge": "second"}, f"{contents(directory)}")
    diversions = run(["dpkg-divert", "--admindir", admin, "--list"]).stdout
    demand(directory not in diversions, diversions)
    run([*dpkg, "-i", package("3", directory, "third")])
    demand(contents(directory) == {"vif-bridge": "third"}, f"{contents(directory)}")
