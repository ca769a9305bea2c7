# Drawbridge: build, test, show, install.
#
#   make deps       install the Debian packages that building and testing need (as root)
#   make build      the three programs, static, in .build/release
#   make test       unit tests, real-kernel tests, end-to-end tests, the kill sweep, a guest of Xen's if fetched (as root)
#   make bench      Drawbridge and its peers side by side, in under a quarter of an hour (as root)
#   make bench-count  instructions of the hot paths beside the same in C, by callgrind (as root)
#   make scale      how costs grow with vifs, networks, addresses and rules, in some minutes (as root)
#   make integration  tests on a kernel of Debian's, on Xen and with guests of QEMU's, fetched once
#   make demo       the main job, shown in about a screen (as root); MODE=route or nat for guests behind routes
#   make install    DESTDIR= PREFIX=/usr  (after `make build`)
#   make install-xen, uninstall-xen  Drawbridge in the place of Xen's network scripts (after `make install`)
#   make uninstall  takes away what install put there, never your configuration

PREFIX  ?= /usr
DESTDIR ?=
SYSCONFDIR ?= /etc
# The unit files name the programs by absolute path, so they belong with PREFIX=/usr.
UNITDIR ?= $(PREFIX)/lib/systemd/system

SWIFT ?= swift
# A target that imports what its manifest does not list is an error, in every build.
IMPORT_CHECK := --explicit-target-dependency-import-check error
RELEASE := -c release --static-swift-stdlib $(IMPORT_CHECK)

XENSCRIPTDIR ?= /etc/xen/scripts
DPKG_DIVERT ?= dpkg-divert
DRAWBRIDGE ?= $(PREFIX)/bin/drawbridge

PROGRAMS := .build/release/drawbridge .build/release/drawbridged .build/release/drawbridge-hotplug
XEN_SCRIPTS := network-bridge vif-bridge vif-setup network-route network-nat vif-route vif-nat vif-openvswitch
SCRIPTS  := $(XEN_SCRIPTS) qemu-ifup qemu-ifdown

# What the programs are built with, and what the tests hold them against: other people's programs as
# witnesses (ip, nft, ethtool, tcpdump, strace) and as opponents (DHCP clients, a router daemon).
BUILD_PACKAGES := libyaml-dev pkg-config
TEST_PACKAGES  := iproute2 iputils-ping nftables iptables ethtool tcpdump strace python3 jq procps \
                  udhcpc isc-dhcp-client isc-dhcp-server busybox-static dnsmasq-base radvd python3-scapy systemd \
                  xen-utils-4.17 openvswitch-switch
PACKAGES := $(BUILD_PACKAGES) $(TEST_PACKAGES)

.PHONY: all deps build test test-unit test-end-to-end test-xen kill-sweep bench bench-count scale integration integration-debian-kernel integration-xen integration-qemu demo install install-xen uninstall uninstall-xen format lint clean help

all: build

help:
	@sed -n '3,13s/^#   /  /p' Makefile

deps:
	@missing=$$(for package in $(PACKAGES); do \
	    [ "$$(dpkg-query -W -f='$${db:Status-Status}' $$package 2>/dev/null)" = installed ] || echo $$package; \
	done); \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" != 0 ]; then \
	    echo "make deps: these Debian packages are missing and only root can install them:" $$missing >&2; \
	    exit 1; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	set -- $$(ls /var/lib/apt/lists/*_Packages* 2>/dev/null); \
	[ $$# -gt 0 ] || apt-get update -qq; \
	apt-get install -y -qq --no-install-recommends $$missing || { \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; \
	}

build: deps
	$(SWIFT) build $(RELEASE)

test: test-unit test-end-to-end test-xen

test-unit: deps
	# One at a time: they share two cores with daemons and programs that they start and wait for.
	# What failed is told once more at the end, where somebody who sees only the last lines finds it.
	@mkdir -p .build
	@bash -o pipefail -c '$(SWIFT) test --no-parallel $(IMPORT_CHECK) 2>&1 | tee .build/unit-tests.log' || { \
	    echo "make test-unit: what failed:" >&2; grep -E '✘|error:' .build/unit-tests.log >&2; exit 1; }

# The end-to-end tests and the kill sweep, which they end with, run what is shipped: the static programs, installed.
test-end-to-end: build
	Tests/EndToEnd/run

# A guest of a real Xen, where 'make integration-xen' has fetched what it takes; else it says that it is skipped.
test-xen: build
	Integration/xen/run --smoke

kill-sweep: build
	Tests/EndToEnd/kill-sweep

# All three at once, as far as two processors allow. As root.
integration: build
	Integration/run

# What the kernel of this machine may lack: VLANs, bonds. Nothing is installed; .build keeps what was fetched.
integration-debian-kernel: build
	Integration/debian-kernel/run

# A real Xen host with real guests, in ten to twenty minutes. Nothing is installed.
integration-xen: build
	Integration/xen/run

# Guests of a real QEMU on taps, by libvirt as well, in a minute. As root.
integration-qemu: build
	Integration/qemu/run

# Installs the peers as well, which nothing else needs. BENCH=--quick makes fewer repetitions.
bench: build
	Benchmarks/bench $(BENCH)

# Builds one program more, which nothing else needs, and takes valgrind from Debian.
bench-count: build
	Benchmarks/bench-count

# SCALE=--quick measures fewer points, and 1,000 vifs at most.
scale: build
	Benchmarks/scale $(SCALE)

# MODE=route or MODE=nat shows guests behind routes instead of a bridge, MODE=nat a subnet on a bridge as well.
demo: build
	$(if $(filter-out bridge,$(MODE)),Demo/demo-routed $(MODE),Demo/demo)
	$(if $(filter nat,$(MODE)),Demo/demo-subnet)

install:
	@for program in $(PROGRAMS); do \
	    [ -x $$program ] || { echo "make install: $$program is not built: run 'make build' first" >&2; exit 1; }; \
	done
	install -D -m 0755 -s .build/release/drawbridge $(DESTDIR)$(PREFIX)/bin/drawbridge
	install -D -m 0755 -s .build/release/drawbridged $(DESTDIR)$(PREFIX)/sbin/drawbridged
	install -D -m 0755 -s .build/release/drawbridge-hotplug $(DESTDIR)$(PREFIX)/lib/drawbridge/drawbridge-hotplug
	ln -sfn drawbridge-hotplug $(DESTDIR)$(PREFIX)/lib/drawbridge/qemu-bridge-helper
	for helper in drawbridge-stop drawbridge-run-script drawbridge-run-client; do \
	    install -D -m 0755 Packaging/systemd/$$helper $(DESTDIR)$(PREFIX)/lib/drawbridge/$$helper; \
	done
	install -d -m 0755 $(DESTDIR)$(SYSCONFDIR)/drawbridge/scripts
	for script in $(SCRIPTS); do \
	    ln -sfn ../../..$(PREFIX)/lib/drawbridge/drawbridge-hotplug \
	        $(DESTDIR)$(SYSCONFDIR)/drawbridge/scripts/$$script; \
	done
	for unit in Packaging/systemd/*.service Packaging/systemd/*.socket; do \
	    install -D -m 0644 $$unit $(DESTDIR)$(UNITDIR)/$${unit##*/}; \
	done
	install -D -m 0644 Packaging/systemd/drawbridge.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/drawbridge.conf
	install -D -m 0644 Packaging/systemd/drawbridge.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/drawbridge.conf
	for example in $(wildcard Packaging/etc/*); do \
	    install -D -m 0644 $$example $(DESTDIR)$(SYSCONFDIR)/drawbridge/examples/$${example##*/}; \
	done
	for page in README.md CHANGELOG.md LICENSE $(wildcard docs/*.md); do \
	    install -D -m 0644 $$page $(DESTDIR)$(PREFIX)/share/doc/drawbridge/$${page#docs/}; \
	done
	for interface in $(wildcard Interfaces/*.varlink); do \
	    install -D -m 0644 $$interface $(DESTDIR)$(PREFIX)/share/drawbridge/$${interface##*/}; \
	done

# On Debian the scripts are conffiles of xen-utils-common: diverted, an upgrade puts its own beside the links.
install-xen:
	@if command -v $(firstword $(DPKG_DIVERT)) >/dev/null; then \
	    for script in $(XEN_SCRIPTS); do \
	        $(DPKG_DIVERT) --quiet --local --no-rename \
	            --divert $(XENSCRIPTDIR)/$$script.distrib --add $(XENSCRIPTDIR)/$$script || exit 1; \
	    done; \
	fi
	$(DRAWBRIDGE) install-xen --directory $(XENSCRIPTDIR)

uninstall-xen:
	$(DRAWBRIDGE) install-xen --directory $(XENSCRIPTDIR) --remove
	@if command -v $(firstword $(DPKG_DIVERT)) >/dev/null; then \
	    for script in $(XEN_SCRIPTS); do \
	        $(DPKG_DIVERT) --quiet --local --no-rename --remove $(XENSCRIPTDIR)/$$script || exit 1; \
	    done; \
	fi

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/drawbridge $(DESTDIR)$(PREFIX)/sbin/drawbridged
	rm -rf $(DESTDIR)$(PREFIX)/lib/drawbridge $(DESTDIR)$(PREFIX)/share/doc/drawbridge \
	    $(DESTDIR)$(PREFIX)/share/drawbridge $(DESTDIR)$(SYSCONFDIR)/drawbridge/examples
	rm -f $(DESTDIR)$(UNITDIR)/drawbridged.service $(DESTDIR)$(UNITDIR)/drawbridged.socket
	rm -f $(DESTDIR)$(PREFIX)/lib/sysusers.d/drawbridge.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/drawbridge.conf
	for script in $(SCRIPTS); do \
	    link=$(DESTDIR)$(SYSCONFDIR)/drawbridge/scripts/$$script; \
	    case "$$(readlink $$link)" in */drawbridge-hotplug) rm -f $$link;; esac; \
	done
	-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(SYSCONFDIR)/drawbridge/scripts \
	    $(DESTDIR)$(SYSCONFDIR)/drawbridge

format:
	$(SWIFT) format --in-place --recursive --parallel Sources Tests Package.swift

lint:
	$(SWIFT) format lint --strict --recursive --parallel Sources Tests Package.swift
	python3 -m compileall -q Tests/Rig Tests/EndToEnd Demo

clean:
	rm -rf .build
