# Everything runs from .venv: nothing outside the checkout is written, and no environment is needed.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(if $(PATH),$(PATH):)/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL := C.UTF-8
export ANSIBLE_HOME ?= $(CURDIR)/.ansible
VENV_PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-down test test-slow test-unit chaos bench lint sql lock

help: ## muestra esta ayuda
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r target text; do printf '%-18s %s\n' "$$target" "$$text"; done

setup: ## prepara .venv con las versiones fijadas en requirements.lock
	@$(PYTHON) tools/setup_venv.py

demo: setup ## migra una base de ejemplo, de verdad, fase por fase
	@$(VENV_PYTHON) -m tools.demo up

demo-down: setup ## quita todo lo que hizo make demo
	@$(VENV_PYTHON) -m tools.demo down

test: lint ## todo lo que corre la integración continua: lint y todas las pruebas
	$(VENV_PYTHON) -m pytest -n 2 -m 'not slow'

test-slow: setup ## las pruebas largas: cortes, señales, dos operadores, tamaños y caos
	$(VENV_PYTHON) -m pytest -n 2 -m slow

test-unit: setup ## solo las pruebas sin base de datos
	$(VENV_PYTHON) -m pytest tests/unit

N ?= 30
chaos: setup ## accidentes al azar en cada fase: N=30 SEED=7 INSTALLATION=jsonb|text|both ROUND=12 PACE=1.5
	@$(VENV_PYTHON) -m tests.chaos --rounds $(N) $(if $(SEED),--seed $(SEED)) $(if $(INSTALLATION),--installation $(INSTALLATION)) \
	  $(if $(ROUND),--only $(ROUND)) $(if $(PACE),--pace $(PACE))

ROWS ?= 5000
bench: setup ## mide copia y prueba contra el SQL del plan: ROWS=200000 clientes (un millón de mensajes) ROUNDS=5; deja .bench/
	@$(VENV_PYTHON) -m tests.bench --rows $(ROWS) $(if $(MESSAGES),--messages $(MESSAGES)) $(if $(ROUNDS),--rounds $(ROUNDS))

lint: setup ## estilo, tipos, y que files/ corresponda al mapeo
	ruff check .
	ruff format --check .
	mypy --strict --explicit-package-bases plugins
	yamllint --strict .
	ansible-lint --offline
	shellcheck .ci/run
	$(VENV_PYTHON) -m tools.render_sql --check

sql: setup ## escribe files/sql a partir del mapeo y del catálogo de referencia
	$(VENV_PYTHON) -m tools.render_sql

lock: ## resuelve de nuevo requirements.lock a partir de pyproject.toml
	$(PYTHON) tools/lock.py
