# Everything runs from .venv, and no environment is needed. Outside the checkout only packages are installed: tools/prepare_*.sh.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(if $(PATH),$(PATH):)/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL := C.UTF-8
# make setup compiles nothing: Python keeps what it compiles the first time, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE
export ANSIBLE_HOME ?= $(CURDIR)/.ansible
VENV_PYTHON := .venv/bin/python
N ?= $(if $(filter flaky,$(MAKECMDGOALS)),20,$(if $(filter mutants-python,$(MAKECMDGOALS)),300,30))

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-down test test-fast test-matrix test-slow test-unit molecule molecule-broken flaky chaos mutants mutants-python interleavings sweep bench lint .lint-ansible .lint-others .docker sql lock

help: ## muestra esta ayuda
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r target text; do printf '%-18s %s\n' "$$target" "$$text"; done

setup: ## prepara .venv con las versiones fijadas en requirements.lock
	@$(PYTHON) tools/setup_venv.py

demo: setup ## migra una base de ejemplo, de verdad, fase por fase
	@$(VENV_PYTHON) -m tools.demo up

demo-down: setup ## quita todo lo que hizo make demo
	@$(VENV_PYTHON) -m tools.demo down

# $(call stage,name,command): runs it and says how long it took.
stage = @echo '== $(1)'; started=$$(date +%s); $(2) && echo "== $(1): $$(($$(date +%s) - started)) s"

# $(call ready,packages): installs those that are missing, saying so, then makes .venv.
ready = PYTHON='$(PYTHON)' tools/prepare_tests.sh $(1) && $(PYTHON) tools/setup_venv.py
PACKAGES := postgresql locales pgbouncer faketime

# Docker is made ready meanwhile; molecule comes last, and fails where it is not.
test: STARTED := $(shell date +%s)
test: ## todo lo que corre la integración continua: lint, todas las pruebas, y los escenarios en contenedores; instala lo que falte
	@tools/prepare_docker.sh --ask
	$(call stage,paquetes y .venv,$(call ready,$(PACKAGES)))
	@$(MAKE) --no-print-directory .docker & $(MAKE) --no-print-directory test-fast; code=$$?; wait; exit $$code
	$(call stage,pruebas de los servicios con contenedores,$(VENV_PYTHON) -m pytest -m 'containers and not slow')
	@$(MAKE) --no-print-directory molecule
	@echo "== make test: $$(($$(date +%s) - $(STARTED))) s"

.docker:
	$(call stage,Docker,tools/prepare_docker.sh && tools/prepare_docker.sh debian:trixie-slim trixie)

# What reads values and catalogues runs on Debian's PostgreSQL beside the wheel's 18; whole phases run there in Molecule.
test-fast: ## lo que no necesita contenedores: lint, las pruebas, y las de valores y catálogos también con el PostgreSQL de Debian
	@$(call ready,$(PACKAGES))
	@$(MAKE) --no-print-directory lint
	$(call stage,pruebas con PostgreSQL 18,$(VENV_PYTHON) -m pytest -n 2 --dist worksteal -m 'not slow and not containers')
	$(call stage,pruebas de valores y catálogos con el PostgreSQL de Debian,TEST_POSTGRES_BIN=$$(ls -d /usr/lib/postgresql/*/bin | tail -n 1) \
	  $(VENV_PYTHON) -m pytest -n 2 --dist worksteal -m 'values and not slow and not size and not once' tests/integration)

test-slow: ## lo que no cabe en cada cambio: cortes, señales, dos operadores, tamaños, y las variantes de lo que make test prueba en una
	@$(call ready,$(PACKAGES) openssh-server)
	tools/prepare_docker.sh
	$(VENV_PYTHON) -m pytest -n 2 --dist worksteal -m slow
	TEST_POSTGRES_BIN=$$(ls -d /usr/lib/postgresql/*/bin | tail -n 1) $(VENV_PYTHON) -m pytest -n 2 -m slow tests/integration/opinion

flaky: ## repite las pruebas de concurrencia, que han de salir bien siempre: N=20
	@$(call ready,openssh-server)
	@for n in $$(seq $(N)); do echo "== vuelta $$n de $(N)"; $(VENV_PYTHON) -m pytest -q -n 2 --dist worksteal -m concurrent || exit 1; done

test-unit: setup ## solo las pruebas sin base de datos
	$(VENV_PYTHON) -m pytest tests/unit

test-matrix: ## las pruebas de integración en cada PostgreSQL de 14 a 18 (npm): VERSIONS="14 17"
	@$(call ready,$(PACKAGES) npm)
	@$(VENV_PYTHON) -m tools.postgres_matrix $(if $(VERSIONS),--versions $(VERSIONS))

chaos: setup ## accidentes al azar en cada fase: N=30 SEED=7 INSTALLATION=jsonb|text|both ROUND=12 PACE=1.5 NIGHTS=3
	@$(VENV_PYTHON) -m tests.chaos --rounds $(N) $(if $(SEED),--seed $(SEED)) $(if $(INSTALLATION),--installation $(INSTALLATION)) \
	  $(if $(ROUND),--only $(ROUND)) $(if $(PACE),--pace $(PACE)) $(if $(NIGHTS),--nights $(NIGHTS))

# Two scenarios at a time, each one's output whole at its end; S=fases runs one alone.
S ?= $(notdir $(patsubst %/molecule.yml,%,$(wildcard molecule/*/molecule.yml)))
# Containers and images carry the checkout's own number, so that two checkouts never meet.
export RUNBOOK_NAME ?= runbook-$(firstword $(shell printf %s '$(CURDIR)' | cksum))
molecule: setup ## los escenarios en contenedores de verdad (hace falta Docker, o Debian y root o sudo para instalarlo): S=fases corre uno
	tools/prepare_docker.sh
	$(call stage,escenarios de Molecule,$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target $(addprefix scenario-,$(S)))

scenario-%:
	$(call stage,escenario $*,molecule/shared/run.sh $*)

molecule-broken: setup ## la prueba de esas pruebas: con el runbook averiado cada escenario falla, y ninguno deja nada
	tools/prepare_docker.sh
	$(VENV_PYTHON) -m pytest $(wildcard molecule/test_*.py)

interleavings: setup ## cada orden de dos y tres transacciones sobre filas relacionadas de los dos lados (hasta 8 h): PART=pairs SEED=7 LIMIT=300 HOURS=2 PLANTED=si; sigue donde quedó (.interleavings/)
	@$(VENV_PYTHON) -m tests.interleavings $(if $(PART),--part $(PART)) $(if $(SEED),--seed $(SEED)) $(if $(LIMIT),--limit $(LIMIT)) \
	  $(if $(HOURS),--hours $(HOURS)) $(if $(INSTALLATION),--installation $(INSTALLATION)) $(if $(ONLY),--only '$(ONLY)') $(if $(PLANTED),--planted)

mutants: setup ## fallos puestos adrede en el SQL que lleva y compara filas: quién encuentra cada uno: EVERY=5; sigue donde quedó (.mutants/)
	@$(VENV_PYTHON) -m tests.mutants $(if $(EVERY),--every $(EVERY))

mutants-python: setup ## fallos puestos adrede en el Python del runbook: cuáles encuentran sus pruebas: N=300 PIECE=1/7; sigue donde quedó (.mutants/)
	@$(call ready,$(PACKAGES))
	@$(VENV_PYTHON) -m tests.mutants.python --count $(N) $(if $(PIECE),--piece $(PIECE))

sweep: setup ## corta cada orden antes y después de cada sentencia y la repite (horas): EVERY=10 solo junto a algunos COMMIT; sigue donde quedó (.sweep/)
	@$(VENV_PYTHON) -m tests.sweep $(if $(EVERY),--every $(EVERY))

ROWS ?= 5000
bench: setup ## mide copia, prueba y sincronización: ROWS=200000 clientes, ROUNDS=5; SYNC=only BULK=100000, solo lo último
	@$(VENV_PYTHON) -m tests.bench --rows $(ROWS) $(if $(MESSAGES),--messages $(MESSAGES)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(SYNC),--sync $(SYNC)) $(if $(BULK),--bulk $(BULK))

lint: setup ## estilo, tipos, y que files/ corresponda al mapeo
	$(call stage,lint,$(MAKE) --no-print-directory --jobs=2 --output-sync=target .lint-ansible .lint-others)

.lint-ansible:
	ansible-lint --offline

.lint-others:
	ruff check .
	ruff format --check .
	mypy --strict --explicit-package-bases plugins
	yamllint --strict .
	shellcheck .ci/run tools/*.sh molecule/shared/*.sh
	$(VENV_PYTHON) -m tools.render_sql --check

sql: setup ## escribe files/sql a partir del mapeo y del catálogo de referencia
	$(VENV_PYTHON) -m tools.render_sql

lock: ## resuelve de nuevo requirements.lock a partir de pyproject.toml
	$(PYTHON) tools/lock.py
