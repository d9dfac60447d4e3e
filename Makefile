# Two commands matter: `make up` runs the platform, `make test` runs its tests.
# Both make what they need in .venv and in DATA_DIR (./var), and nothing elsewhere.

.DEFAULT_GOAL := help
.PHONY: help up test faults check screenshots lock environment test-environment

PYTHON_OF_ENVIRONMENT := .venv/bin/python
MANAGE := $(PYTHON_OF_ENVIRONMENT) manage.py
BIN := .venv/bin
COMPILE := uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --custom-compile-command "make lock"

help:
	@echo "make up      run the platform at http://localhost:8000 (PORT, BIND, DATA_DIR: .env.example)"
	@echo "make test    run the tests; ARGS='-k word' goes to pytest"
	@echo "make faults  break what runs, in full size on every stack, and count what is lost; STACK=embedded FAULT=7 runs one"
	@echo "make check   format, lint, types, Django's own checks, API schema, translations, bandit"
	@echo "make screenshots   every page in both languages, sizes and themes, into var/screenshots (PAGE=word; needs Chromium)"
	@echo "make lock    compile requirements/*.txt from pyproject.toml again (needs uv)"

up: environment
	@exec $(MANAGE) up --with-parent

test: test-environment
	@exec $(PYTHON_OF_ENVIRONMENT) -m pytest $(ARGS)

# The faults of docs/decisions/0002, one line of figures each; fails when one of them falls short.
# Not every fault is one on every stack: that pytest then finds nothing (exit code 5) is no failure.
STACK := embedded large rabbit
FAULT ?=
faults: test-environment
	@failed=0; tables=; for stack in $(STACK); do \
		rm -f var/faults/$$stack.txt; \
		FAULTS_STACK=$$stack FAULTS_SIZE=full FAULT=$(FAULT) \
			$(PYTHON_OF_ENVIRONMENT) -m pytest -m fault tests/faults $(ARGS) || [ $$? -eq 5 ] || failed=1; \
		[ ! -e var/faults/$$stack.txt ] || tables="$$tables var/faults/$$stack.txt"; \
	done; \
	echo; cat /dev/null $$tables; \
	[ -n "$$tables" ] || { echo "no fault was run"; failed=1; }; \
	exit $$failed

environment:
	@sh deploy/bootstrap run

test-environment:
	@sh deploy/bootstrap test

# In a data directory of its own, and blind to .env: a check must not depend on an installation.
# `check --deploy` looks at a large installation: SQLite has a warning of its own on old systems.
# bandit's lesser findings are ruff's S rules, which name their exceptions line by line.
check: test-environment
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --severity-level medium --recursive portal bots ddio_api
	@set -eu; DATA_DIR=$$(mktemp -d); FUWUHAO_DOTENV=0; export DATA_DIR FUWUHAO_DOTENV; \
	trap 'rm -rf "$$DATA_DIR"' EXIT; set -x; \
	$(MANAGE) check; \
	$(MANAGE) makemigrations --check --dry-run; \
	DATABASE_URL=postgres://fuwuhao@127.0.0.1/fuwuhao SITE_URL=https://fuwuhao.example TRUSTED_PROXIES=127.0.0.1 \
		$(MANAGE) check --deploy --fail-level WARNING; \
	$(MANAGE) spectacular --validate --fail-on-warn --file /dev/null
	$(PYTHON_OF_ENVIRONMENT) -m pytest --quiet tests/portal/test_translations.py

screenshots: test-environment
	@set -eu; DATA_DIR=$$(mktemp -d); DJANGO_SETTINGS_MODULE=tests.settings; \
	export DATA_DIR DJANGO_SETTINGS_MODULE; trap 'rm -rf "$$DATA_DIR"' EXIT; \
	$(MANAGE) shell --command "from tests.browser import screenshots; screenshots.main('$(PAGE)')"

lock:
	@command -v uv >/dev/null || { echo "make lock needs uv: https://docs.astral.sh/uv/" >&2; exit 1; }
	$(COMPILE) --output-file requirements/run.txt
	$(COMPILE) --extra test --constraint requirements/run.txt --output-file requirements/test.txt
