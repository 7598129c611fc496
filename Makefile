# leaverd. One Makefile, not recursive; rooms by wildcard; build/<variant>/ mirrors the tree.
#
#   make                    the binary, build/plain/leaverd
#   make check              unit tests plain, then the system suite under ASan and UBSan
#   make quickstart         a whole rehearsal on this machine (ONCE=1: one round, then end)
#   make deps               what building and running need; deps-quickstart, deps-check: more
#   make lint format fuzz bench check-long check-contract install clean
#
# STRICT=1 warnings are errors (not with SAN: gcc guesses wrong in what it instruments itself)    SAN=address,undefined | thread    CLOCK=virtual test clock    V=1 show commands

CC      ?= cc
# Sanitizers look at what stands in the source, not at what the optimiser leaves of it; their stacks need lines alone.
CFLAGS  ?= $(if $(SAN),-O1 -g1,-O2 -g)
PREFIX  ?= /usr/local
SYSCONFDIR ?= /etc
MANDIR  ?= $(PREFIX)/share/man
PYTHON  ?= /usr/bin/python3

VERSION := 0.1.0

comma   := ,
VARIANT := $(if $(SAN),$(if $(findstring thread,$(SAN)),tsan,asan),plain)$(if $(CLOCK),-clock)
# Only base/stamp.c knows which clock it is: all other objects are those of the build without the switch.
ifeq ($(origin B),undefined)
B       := build/$(VARIANT)
TWIN    := $(if $(CLOCK),$(B:-clock=))
endif

PKGS := libmicrohttpd gnutls cjose libcrypto libcurl jansson libsodium sqlite3 yaml-0.1 libpcre2-8 libcares krb5-gssapi krb5
# A library that is missing is said when something is compiled, not by the linker or not at all.
PKG_FAULT := $(strip $(shell pkg-config --short-errors --print-errors --exists $(PKGS) 2>&1))
pkg       = $(if $(PKG_FAULT),$(error $(PKG_FAULT): run `make deps`),$(PKG_$(1)))
PKG_CFLAGS := $(if $(PKG_FAULT),,$(shell pkg-config --cflags $(PKGS)))
PKG_LIBS   := $(if $(PKG_FAULT),,$(shell pkg-config --libs $(PKGS)))

WARN     := -Wall -Wextra -Wshadow -Wformat=2 -Wvla -Wwrite-strings -Wstrict-prototypes \
            -Wmissing-prototypes -Wpointer-arith -Wundef -Wno-format-truncation $(if $(SAN),,$(if $(STRICT),-Werror))
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fno-common -fPIE
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
OUR_CPP  := -I. -D_GNU_SOURCE -DLEAVERD_VERSION='"$(VERSION)"' \
            $(if $(SAN)$(findstring -O0,$(CFLAGS)),,-D_FORTIFY_SOURCE=2)
OUR_C     = -std=gnu11 -MMD -MP $(WARN) $(HARDEN) $(SANITIZE) $(call pkg,CFLAGS)
OUR_LD   := -pie -Wl,-z,relro,-z,now,-z,noexecstack -pthread $(SANITIZE)
LIBS      = $(call pkg,LIBS) -lldap -llber -lcsv -lunistring -lm

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2))

# The rooms, roof first: the order in which their archives are linked.
ROOMS := bridge atlassian scim ldap hr store reconcile net model base

archives = $(foreach r,$(1),$(if $(wildcard $(r)/*.c),$(B)/$(r).a))
# What a test of a room is linked with: the room and the floors below it.
UNDER_base      := base
UNDER_model     := model base
UNDER_net       := net base
UNDER_scim      := scim net model base
UNDER_ldap      := ldap model base
UNDER_hr        := hr model base
UNDER_store     := store model base
UNDER_reconcile := reconcile model base
UNDER_atlassian := atlassian scim net model base
UNDER_bridge    := $(ROOMS)

.PHONY: all check check-long check-unit check-system check-tsan check-contract lint format fuzz fuzz-smoke \
        bench quickstart install clean deps deps-quickstart deps-check check-fresh
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: $(B)/leaverd

# --- compile ---------------------------------------------------------------------------------

define compile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(OUR_C) $(CFLAGS) $(OUR_CPP) $(CPPFLAGS) -c -o $@ $<
endef

$(B)/base/stamp.o: OUR_CPP += $(if $(CLOCK),-DLEAVERD_VIRTUAL_CLOCK)
$(B)/base/stamp.o: base/stamp.c
	$(compile)

ifdef TWIN
$(TWIN)/%.o: %.c
	$(compile)

$(B)/%.o: $(TWIN)/%.o
	@mkdir -p $(@D)
	@ln -f $< $@
else
$(B)/%.o: %.c
	$(compile)
endif

define room_archive
$(B)/$(1).a: $$(patsubst %.c,$(B)/%.o,$$(filter-out %/leaverd.c,$$(wildcard $(1)/*.c)))
	$$(call say,AR,$$@)
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room_archive,$(r))))

$(B)/leaverd: $(B)/bridge/leaverd.o $(call archives,$(ROOMS))
	$(call say,LD,$@)
	$(Q)$(CC) $(OUR_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

# The rehearsal organisation: a look-alike of Atlassian on net/httpd.
REHEARSAL_O := $(patsubst %.c,$(B)/%.o,$(wildcard tests/rehearsal/*.c))
$(B)/rehearsal: $(REHEARSAL_O) $(call archives,net model base)
	$(call say,LD,$@)
	$(Q)$(CC) $(OUR_LD) $(LDFLAGS) -o $@ $^ $(LIBS)

# --- unit tests ------------------------------------------------------------------------------

# tests/unit/test_<room>_<file>.c is linked with the room and what lies under it; every allocation
# goes through tests/lib/fault.c, so that the Nth can be made to fail.
WRAP := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup,--wrap=strndup
LIB_O := $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))
UNIT_C ?= $(wildcard tests/unit/test_*.c tests/fault/test_*.c tests/crash/test_*.c)
UNIT_BIN := $(patsubst %.c,$(B)/%,$(UNIT_C))

define unit_test
$(B)/$(basename $(1)): $(B)/$(basename $(1)).o $(LIB_O) $(call archives,$(UNDER_$(word 2,$(subst _, ,$(notdir $(1))))))
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(OUR_LD) $$(LDFLAGS) $$(WRAP) -o $$@ $$^ $$(LIBS) -lcmocka
endef
$(foreach t,$(UNIT_C),$(eval $(call unit_test,$(t))))

check-unit: $(UNIT_BIN)
	@tests/run-unit $(B) $(UNIT_BIN)

include Makefile.check

# --- install, clean --------------------------------------------------------------------------

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(SYSCONFDIR)/leaverd $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(MANDIR)/man5 \
		$(DESTDIR)$(MANDIR)/man7
	install -m 0755 $(B)/leaverd $(DESTDIR)$(PREFIX)/bin/leaverd
	install -m 0644 conf/leaverd.yaml $(DESTDIR)$(SYSCONFDIR)/leaverd/leaverd.yaml.sample
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	install -m 0644 conf/leaverd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/leaverd.service
	install -m 0644 conf/leaverd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/leaverd.conf
	install -m 0644 conf/leaverd.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/leaverd.conf
	install -m 0644 doc/*.8 $(DESTDIR)$(MANDIR)/man8
	install -m 0644 doc/*.5 $(DESTDIR)$(MANDIR)/man5
	install -m 0644 doc/*.7 $(DESTDIR)$(MANDIR)/man7

clean:
	rm -rf build

-include $(shell find $(B) $(TWIN) -name '*.d' 2>/dev/null)
