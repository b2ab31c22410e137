# stile: one file, no recursion but for the sanitizer builds, which are this file with another BUILD.
#   make            programs into build/            make check   everything the tests know
#   make run        a private Redis and the proxy on loopback, with two demonstration accounts
#   make asan tsan  the same tests under sanitizers  make fuzz    each fuzzer FUZZ_SECONDS long
#   make lint format bench install               make deb     Debian packages into build/deb
#   make bench-check  compares instruction counts of hot paths with those kept; bench-accept keeps those of now
#   make faults     stile-proxy with memory that runs short, for tests/scenario/test_memory_short.py

VERSION     = 0.1.0
BUILD      ?= build
ifeq ($(origin CC),default)
CC          = gcc
endif
OPT        ?= -O2 -g
SAN        ?=
PREFIX     ?= /usr
DESTDIR    ?=
FUZZ_SECONDS ?= 60
FUZZ_CC    ?= clang-14
PYTHON     ?= /usr/bin/python3
Q           = $(if $(V),,@echo '  $(1)' && )

WARN = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wcast-qual -Wwrite-strings \
	-Wformat=2 -Wswitch-enum -Wvla -Wpointer-arith -Wundef -Werror
HARD = -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -DSTILE_VERSION='"$(VERSION)"' $(OPT) $(WARN) \
	$(if $(SAN),$(SAN) -DSTILE_UNCONFINED,$(HARD)) $(CFLAGS)
LDFLAGS_ALL = $(if $(SAN),$(SAN),-pie -Wl,-z,relro,-z,now) $(LDFLAGS)

# --- layers: an include may only point left; each folder sees the folders to its left, no more -----
SEES_base   = base
SEES_policy = base policy
SEES_audit  = base policy audit
SEES_proxy  = base policy audit proxy
SEES_admin  = base policy audit admin

LIBS_base   = -lconfig -levent_core -lcrypto
LIBS_policy = -lmaxminddb -lpsl -lidn2 -lxxhash
LIBS_audit  = -lhiredis -ljansson -lpthread -lssl
LIBS_proxy  = -levent_extra -lm -lseccomp -lsystemd -lunbound -lresolv -lcrypt -lssl
LIBS_admin  =

sources   = $(sort $(wildcard $(1)/*.c))
objects   = $(patsubst %.c,$(BUILD)/%.o,$(1))
BASE_O    = $(call objects,$(call sources,base))
POLICY_O  = $(call objects,$(call sources,policy))
AUDIT_O   = $(call objects,$(call sources,audit))
PROXY_O   = $(filter-out $(BUILD)/proxy/main.o,$(call objects,$(call sources,proxy)))
ADMIN_C   = $(call sources,admin)
ADMIN_POLICY_O = $(call objects,$(filter admin/policy_%,$(ADMIN_C)))
ADMIN_REPORT_O = $(call objects,$(filter admin/report_%,$(ADMIN_C)))
ADMIN_BOTH_O   = $(call objects,$(filter-out admin/policy_% admin/report_%,$(ADMIN_C)))

LIB_base   = $(BUILD)/libbase.a
LIB_policy = $(BUILD)/libpolicy.a $(LIB_base)
LIB_audit  = $(BUILD)/libaudit.a $(LIB_policy)
LIB_proxy  = $(BUILD)/libproxy.a $(LIB_audit)
LIB_admin  = $(BUILD)/libadmin.a $(LIB_audit)
EXT_base   = $(LIBS_base)
EXT_policy = $(LIBS_policy) $(EXT_base)
EXT_audit  = $(LIBS_audit) $(EXT_policy)
EXT_proxy  = $(LIBS_proxy) $(EXT_audit)
EXT_admin  = $(LIBS_admin) $(EXT_audit)

PROGRAMS = $(BUILD)/stile-proxy $(BUILD)/stile-policy $(BUILD)/stile-report
all: $(PROGRAMS)

$(BUILD)/libbase.a: $(BASE_O)
$(BUILD)/libpolicy.a: $(POLICY_O)
$(BUILD)/libaudit.a: $(AUDIT_O)
$(BUILD)/libproxy.a: $(PROXY_O)
$(BUILD)/libadmin.a: $(ADMIN_BOTH_O) $(filter-out %_main.o,$(ADMIN_POLICY_O) $(ADMIN_REPORT_O))
$(BUILD)/%.a:
	@rm -f $@
	$(call Q,AR   $@)$(AR) rcs $@ $^

$(BUILD)/stile-proxy: $(BUILD)/proxy/main.o $(LIB_proxy)
	$(call Q,LD   $@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(EXT_proxy)
$(BUILD)/stile-policy: $(ADMIN_POLICY_O) $(ADMIN_BOTH_O) $(LIB_audit)
	$(call Q,LD   $@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_crypt) $(EXT_audit)
$(BUILD)/stile-policy: LIBS_crypt = -lcrypt
$(BUILD)/stile-report: $(ADMIN_REPORT_O) $(ADMIN_BOTH_O) $(LIB_audit)
	$(call Q,LD   $@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(EXT_audit)

# the same program with memory that runs short at random: tests/faults/fail_alloc.c
FAULTS = malloc calloc realloc strdup loop_run ship_step
$(BUILD)/faults/stile-proxy: tests/faults/fail_alloc.c $(BUILD)/proxy/main.o $(LIB_proxy)
	@mkdir -p $(@D)
	$(call Q,LD   $@)$(CC) $(CFLAGS_ALL) $(FAULTS:%=-Wl,--wrap=%) -o $@ $^ $(LDFLAGS_ALL) $(EXT_proxy)
faults: $(BUILD)/faults/stile-proxy

folder = $(firstword $(subst /, ,$(1)))
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call Q,CC   $<)$(CC) $(CFLAGS_ALL) $(addprefix -iquote ,$(SEES_$(call folder,$*))) -MMD -MP -c -o $@ $<
$(BUILD)/policy/catalogue.o: policy/catalogue.cfg
$(BUILD)/audit/ship_script.o: audit/append.lua

# --- unit tests: tests/unit/<folder>_<module>_test.c links the libraries up to its folder -----------
UNIT_C = $(sort $(wildcard tests/unit/*_test.c))
UNIT   = $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_C))
unit_folder = $(firstword $(subst _, ,$(notdir $(1))))
.SECONDEXPANSION:
$(BUILD)/unit/%_test: tests/unit/%_test.c $$(LIB_$$(call unit_folder,$$*))
	@mkdir -p $(@D)
	$(call Q,TEST $<)$(CC) $(CFLAGS_ALL) $(addprefix -iquote ,$(SEES_$(call unit_folder,$*))) -MMD -MP -MF $@.d \
		-o $@ $< $(LIB_$(call unit_folder,$*)) $(LDFLAGS_ALL) $(EXT_$(call unit_folder,$*)) -lcmocka
unit: $(UNIT) $(PROGRAMS)
	@BUILD=$(BUILD) $(PYTHON) tests/run_unit.py $(UNIT)

# --- fuzzers: tests/fuzz/<folder>_<module>_fuzz.c, clang's libFuzzer -------------------------------
FUZZ_C = $(sort $(wildcard tests/fuzz/*_fuzz.c))
FUZZ   = $(patsubst tests/fuzz/%.c,build-fuzz/fuzz/%,$(FUZZ_C))
$(BUILD)/fuzz/%_fuzz: tests/fuzz/%_fuzz.c $$(LIB_$$(call unit_folder,$$*))
	@mkdir -p $(@D)
	$(call Q,FUZZ $<)$(CC) $(CFLAGS_ALL) -fsanitize=fuzzer $(addprefix -iquote ,$(SEES_$(call unit_folder,$*))) \
		-o $@ $< $(FUZZ_WITH) $(LIB_$(call unit_folder,$*)) $(LDFLAGS_ALL) $(EXT_$(call unit_folder,$*))
# the other side of the differential fuzzer: node-llhttp's sources in their strict mode
LLHTTP   = $(patsubst %,$(BUILD)/llhttp/%.o,api http llhttp)
LLHTTP_H = -DLLHTTP_STRICT_MODE=1 -isystem /usr/share/include/llhttp
$(BUILD)/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	$(call Q,CC $<)$(CC) $(OPT) $(SAN) -w $(LLHTTP_H) -c -o $@ $<
$(BUILD)/fuzz/proxy_llhttp_fuzz: FUZZ_WITH = $(LLHTTP_H) $(LLHTTP)
$(BUILD)/fuzz/proxy_llhttp_fuzz: $(LLHTTP)
fuzzers: $(FUZZ)
fuzz:
	@$(MAKE) --no-print-directory BUILD=build-fuzz CC=$(FUZZ_CC) OPT="-O1 -g" \
		SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" fuzzers
	@tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ)

# --- everything the tests know -----------------------------------------------------------------------
check: all unit layers bench-check scenario
built: all $(UNIT)
layers: all $(BUILD)/bench/bench
	@BUILD=$(BUILD) $(PYTHON) -m pytest -q -rs -p no:cacheprovider tests/checks
scenario: all faults
	@BUILD=$(BUILD) $(PYTHON) -m pytest -q -rs -p no:cacheprovider tests/scenario
asan:
	@$(MAKE) --no-print-directory BUILD=build-asan OPT="-O1 -g" \
		SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" \
		unit scenario
tsan:
	@$(MAKE) --no-print-directory BUILD=build-tsan OPT="-O1 -g" SAN="-fsanitize=thread" unit scenario
run: all
	@packaging/demo $(BUILD)
lint:
	cppcheck --quiet --std=c11 -D"json_array_foreach(a,i,v)=for(i=0;i<1;i++)" -D"json_object_foreach(o,k,v)=for(k=0;!k;)" --enable=warning,portability --inline-suppr --error-exitcode=1 \
		--suppress=unusedStructMember --suppress=preprocessorErrorDirective:policy/expect.c \
		--suppress=preprocessorErrorDirective:admin/report_denied.c $(addprefix -I,$(SEES_proxy) admin) base policy audit proxy admin
format:
	clang-format -i $(wildcard */*.c */*.h tests/*/*.c)

# --- bench: CPU time of stile's own work; docs/performance.md tells how to read it ----------------
BENCH_O = $(patsubst tests/bench/%.c,$(BUILD)/bench/%.o,$(sort $(wildcard tests/bench/*.c)))
$(BUILD)/bench/%.o: tests/bench/%.c
	@mkdir -p $(@D)
	$(call Q,CC   $<)$(CC) $(CFLAGS_ALL) -DBENCH_FLAGS='"$(notdir $(CC)) $(OPT) $(if $(SAN),$(SAN),$(HARD)) $(CFLAGS)"' \
		$(addprefix -iquote ,$(SEES_proxy) tests/unit) -MMD -MP -c -o $@ $<
$(BUILD)/bench/bench: $(BENCH_O) $(LIB_proxy)
	$(call Q,LD   $@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(EXT_proxy)
bench: $(BUILD)/bench/bench
	@$< $(BENCH_ARGS)
# instructions of the same cases, compared with those kept in tests/bench/instructions.tsv
bench-check bench-accept: bench-%: $(BUILD)/bench/bench
	@$(PYTHON) tests/bench/instructions.py $* $<

# Configuration that is there already stays. Paths of the installed proxy.cfg are those of Debian.
ETC = $(DESTDIR)/etc/stile
UNITDIR = $(PREFIX)/lib/systemd/system
COMPLETIONS = $(PREFIX)/share/bash-completion/completions
install: all
	install -Dm755 -t $(DESTDIR)$(PREFIX)/sbin $(BUILD)/stile-proxy
	install -Dm755 -t $(DESTDIR)$(PREFIX)/bin $(BUILD)/stile-policy $(BUILD)/stile-report
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/man/man1 packaging/man/*.1
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/man/man5 packaging/man/*.5
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/man/man8 packaging/man/*.8
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/doc/stile packaging/alerts.yml packaging/grafana.json
	install -Dm644 -t $(DESTDIR)$(UNITDIR) systemd/stile.service
	install -Dm644 systemd/stile.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/stile.conf
	install -Dm644 systemd/stile.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/stile.conf
	for p in $(notdir $(PROGRAMS)); do \
		install -Dm644 packaging/completion/stile $(DESTDIR)$(COMPLETIONS)/$$p || exit 1; done
	install -d -m755 $(ETC)
	for f in users.htpasswd groups.htgroup; do \
		[ -e $(ETC)/$$f ] || install -m640 /dev/null $(ETC)/$$f || exit 1; done
	[ -e $(ETC)/policy.cfg ] || install -m644 packaging/policy.cfg $(ETC)/policy.cfg
	[ -e $(ETC)/proxy.cfg ] || sed -e 's|"packaging/policy.cfg"|"policy.cfg"|' \
		-e 's|# users  =|users    =|' -e 's|# groups =|groups   =|' \
		-e 's|"journal"|"/var/lib/stile/journal"|' -e 's|"stile.sock"|"/run/stile/stile.sock"|' \
		-e 's|"pseudonym.key"|"/var/lib/stile/pseudonym.key"|' proxy.cfg >$(ETC)/proxy.cfg
	[ -n "$(DESTDIR)" ] || { systemd-sysusers && systemd-tmpfiles --create stile.conf; } 2>/dev/null || true

# Debian packages, built in a scratch copy of the tree in which packaging/debian is debian. Its changelog's date is that of all
# files in them, so the same tree gives the same packages.
DEB      = $(BUILD)/deb
DEB_COPY = $(DEB)/stile-$(VERSION)
deb:
	@[ "$$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)" = "$(VERSION)" ] || \
		{ echo "packaging/debian/changelog: its first entry is not for $(VERSION)" >&2; exit 1; }
	rm -rf $(DEB)
	mkdir -p $(DEB_COPY)
	cp -R base policy audit proxy admin packaging systemd docs Makefile proxy.cfg *.md LICENSE $(DEB_COPY)
	mv $(DEB_COPY)/packaging/debian $(DEB_COPY)/debian
	cd $(DEB_COPY) && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u BUILD -u CC -u OPT -u SAN -u DESTDIR \
		dpkg-buildpackage --build=binary --no-sign
	@ls $(DEB)/*.deb

clean:
	rm -rf build build-asan build-tsan build-fuzz

-include $(shell find $(BUILD) -path $(BUILD)/deb -prune -o -name '*.d' -print 2>/dev/null)
.PHONY: all faults built unit fuzzers fuzz check layers scenario asan tsan lint format clean run bench bench-check bench-accept install deb
.SECONDARY:
