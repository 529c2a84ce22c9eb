# Everything a person runs. Each target makes the environment it needs first.
.PHONY: bench-forms live-aws live-gcp live-azure bench-clouds soak-clouds help demo test lint bench bench-jobs docs catalog clean env-demo env-dev soak-jobs
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

test: lint       ## every check and every test, three files at a time: most tests wait
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: env-dev    ## ruff, mypy --strict, the import law
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: env-dev   ## the claims, measured here: rates, latencies, memory
	@$(BIN)/python benchmarks/run.py

bench-jobs: env-dev ## managed jobs: submissions, thousands alive under preemptions, long lists
	@$(BIN)/python benchmarks/jobs.py

soak-jobs: env-dev ## ten minutes of killed, frozen and cut-off machines, full disks and a slow provider under 200 jobs that count, every step checked
	@$(BIN)/python benchmarks/jobs_soak.py

bench-optimizer: env-dev ## the planner's times over the whole catalog, SkyPilot's beside them where it can be installed
	@$(BIN)/python benchmarks/plan.py --long
	@$(BIN)/python benchmarks/optimizer_peer.py --install

bench-forms: env-dev ## SkyPilot's own verdict on 3,200 forms of task files (newest on PyPI, in an environment of its own), beside the one our tests hold
	@$(BIN)/python benchmarks/skypilot_forms.py --install

bench-runtime: env-dev ## the runtime beside Ray (newest on PyPI, in an environment of its own) and the floor, five alternating rounds
	@$(BIN)/python benchmarks/runtime_beside_ray.py

soak-runtime: env-dev ## ten minutes of random SIGKILLs of workers, actors, node daemons and the head under load, every result checked
	@$(BIN)/python benchmarks/runtime_soak.py --seconds 600

soak-simulator: env-dev ## 20,000 drawn stories of whole clusters without sockets: deaths, partitions, full disks, messages in any order
	@TRADEWIND_STORIES=20000 $(BIN)/python -m pytest tests/runtime/test_simulator.py -q -p no:cacheprovider --timeout=0

test-cgroup2: env-dev ## memory limits under a kernel with version 2 control groups only (needs user-mode-linux)
	@tools/under_cgroup2.sh

bench-drivers: env-dev ## 100,000 queued tasks of 1, 10 and 100 drivers at once; a node that loses power
	@$(BIN)/python benchmarks/runtime_drivers.py

bench-spot: env-dev ## recorded spot markets replayed against policies that have a deadline
	@$(BIN)/python benchmarks/spot.py

soak-optimizer: env-dev ## 100,000 random problems held to brute force, on every core; goes on where it was interrupted
	@$(BIN)/python benchmarks/optimizer_soak.py --problems 100000 --state benchmarks/results/optimizer_soak.jsonl

bench-clouds: env-dev ## launches, failover, bootstrap, losses, status, reap over fakes of the clouds (needs root for real machines)
	@$(BIN)/python benchmarks/clouds/run.py

soak-clouds: env-dev ## kill the daemon at every boundary everywhere, walk each page with its extra newly installed (needs root: real machines)
	@TRADEWIND_SOAK=1 $(BIN)/python -m pytest tests/clouds/test_killed_daemon.py tests/clouds/test_killed_at_every_step.py \
	  tests/clouds/ssh/test_killed.py tests/clouds/test_weather.py tests/clouds/test_cloud_pages.py tests/clouds/ssh/test_quickstart.py -q

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
