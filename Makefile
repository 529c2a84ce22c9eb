# Everything a person runs. Each target makes the environment it needs first.
.PHONY: live-aws live-gcp live-azure bench-clouds soak-clouds help demo test lint bench bench-jobs docs catalog clean env-demo env-dev soak-jobs
.DEFAULT_GOAL := help
BIN := .venv/bin

help:            ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 18

env-demo:
	@tools/environment.sh examples

env-dev:
	@tools/environment.sh dev,examples

demo: env-demo   ## plan, launch, train, lose a machine, recover, bill: rehearsed here, no cloud touched
	@$(BIN)/tradewind demo

test: lint       ## every check and every test, two files at a time
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: env-dev    ## ruff, mypy --strict, the import law
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: env-dev   ## the claims, measured here: rates, latencies, memory
	@$(BIN)/python benchmarks/run.py

bench-jobs: env-dev ## managed jobs: submissions, thousands alive under preemptions, long lists
	@$(BIN)/python benchmarks/jobs.py

soak-jobs: env-dev ## ten minutes of killed and frozen daemons, agents and instances under 200 jobs that count, every step checked
	@$(BIN)/python benchmarks/jobs_soak.py

bench-optimizer: env-dev ## the planner's times over the whole catalog, SkyPilot's beside them where it can be installed
	@$(BIN)/python benchmarks/plan.py --long
	@$(BIN)/python benchmarks/optimizer_peer.py --install

bench-runtime: env-dev ## the runtime beside Ray (newest on PyPI, in an environment of its own) and the floor, five alternating rounds
	@$(BIN)/python benchmarks/runtime_beside_ray.py

soak-runtime: env-dev ## ten minutes of random SIGKILLs of workers, actors, node daemons and the head under load, every result checked
	@$(BIN)/python benchmarks/runtime_soak.py --seconds 600

bench-spot: env-dev ## recorded spot markets replayed against policies that have a deadline
	@$(BIN)/python benchmarks/spot.py

soak-optimizer: env-dev ## 100,000 random problems held to brute force (some 15 minutes)
	@$(BIN)/python benchmarks/optimizer_soak.py --problems 100000

bench-clouds: env-dev ## launches, failover, bootstrap, losses, status, reap over fakes of the clouds (needs root for real machines)
	@$(BIN)/python benchmarks/clouds/run.py

soak-clouds: env-dev ## kill the daemon at every boundary on every cloud (needs root: real machines in network namespaces)
	@TRADEWIND_SOAK=1 $(BIN)/python -m pytest tests/clouds/test_killed_daemon.py -q

live-aws: env-dev ## one small machine on your AWS account, from check to nothing left; at most 1 USD
	@$(BIN)/python tools/live.py aws

live-gcp: env-dev ## the same at Google Cloud
	@$(BIN)/python tools/live.py gcp

live-azure: env-dev ## the same at Azure
	@$(BIN)/python tools/live.py azure

docs: env-dev    ## regenerate the generated pages of docs/
	@$(BIN)/python tools/generate_docs.py

catalog: env-dev ## rebuild the shipped catalog snapshot from data/facts, reproducibly
	@$(BIN)/python -m tradewind.catalog.build data/facts tradewind/catalog/data

clean:           ## remove the environment and everything generated
	rm -rf .venv build dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache benchmarks/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
