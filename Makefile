# make demo      train and infer on real Spark, end to end
# make test      every test that CI runs (real Spark, real TensorFlow)
# make help      the rest

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON := $(CURDIR)/.venv/bin/python
LIB := $(CURDIR)/.libtensorflow
CGO := CGO_ENABLED=1 CGO_CFLAGS="-I$(LIB)/include" CGO_LDFLAGS="-L$(LIB) -ltensorflow_framework -ltensorflow" LD_LIBRARY_PATH=$(LIB)
PURE := CGO_ENABLED=0
CGO_ROOMS := ./internal/engine/... ./cmd/tfos-engine/...
PURE_ROOMS = $(shell go list ./... | grep -vE '/(internal/engine|cmd/tfos-engine)(/|$$)')
# As pip has it (pyproject.toml), and the commit.
VERSION := $(shell cat VERSION)+$(shell git describe --always --exclude '*' --dirty=.dirty 2>/dev/null || echo unknown)
# A file's tests share fixtures, so that they stay in one process; a standalone cluster is started
# for each process. scripts/tests/conftest.py has the order of files.
PYTEST = $(PYTHON) -m pytest -q --dist loadfile --no-loadscope-reorder -n $(JOBS) scripts/tests
JOBS := 4
LDFLAGS := -s -w -X main.version=$(VERSION)
PAYLOAD := cmd/tfos/payload
MOST_NODE := 60000000
GREMLINS := github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0

.PHONY: help setup build demo test test-all test-go test-pure test-engine test-stores test-stores-go test-stores-jobs test-yarn test-yarn-go test-yarn-jobs test-k8s test-k8s-jobs test-python test-spark test-spark4 test-versions bench bench-full bench-docs mutate check proto clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## .venv and .libtensorflow
	@scripts/setup.sh

build: setup ## bin/tfos, bin/tfos-node, bin/tfos-engine
	@mkdir -p bin
	$(PURE) go build -ldflags '$(LDFLAGS)' -o bin/tfos-node ./cmd/tfos-node
	@size=$$(stat -c %s bin/tfos-node); [ $$size -le $(MOST_NODE) ] || { echo "build: bin/tfos-node has $$size bytes, more than $(MOST_NODE): every run sends it to its executors" >&2; exit 1; }
	$(CGO) go build -ldflags '$(LDFLAGS)' -o bin/tfos-engine ./cmd/tfos-engine
	go tool s2c -q -c bin/tfos-node > $(PAYLOAD)/tfos-node.s2
	go tool s2c -q -c bin/tfos-engine > $(PAYLOAD)/tfos-engine.s2
	$(PURE) go build -ldflags '$(LDFLAGS)' -o bin/tfos ./cmd/tfos

demo: build ## digits: train Spark-fed on 2 executors, export, infer, accuracy
	@scripts/demo.sh

test: build test-go ## what CI runs
	$(PYTEST) -m 'not slow and not stores and not yarn and not k8s'

test-go: setup ## Go tests: pure rooms without cgo, the engine with TensorFlow
	@$(MAKE) --no-print-directory -j 2 --output-sync=target test-pure test-engine

test-pure:
	$(PURE) go test $(PURE_ROOMS)

test-engine:
	$(CGO) TFOS_REQUIRE=tensorflow,$${TFOS_REQUIRE-} go test $(CGO_ROOMS)

test-stores: build ## stores, and jobs on them, with real servers of S3, GCS, Azure Blob and HDFS (installed once, in .stores)
	scripts/stores.sh $(MAKE) --no-print-directory -j 2 --output-sync=target test-stores-go test-stores-jobs

# Their tests wait for leases and time limits more than they compute.
test-stores-go:
	$(PURE) go test -count=1 -timeout 15m -parallel 24 ./internal/store/... ./internal/hadoop
	$(PURE) go test -count=1 -timeout 15m -run OnStores ./internal/files ./internal/work

# Six at a time: the tests of leases wait.
test-stores-jobs: JOBS := 6
test-stores-jobs:
	$(PYTEST) -m '$(STORES_TESTS)' $(ARGS)

STORES_TESTS := stores and not slow

test-python: build ## Python tests that need no Spark
	$(PYTEST) -m 'not spark and not slow and not stores and not yarn and not k8s'

test-spark: build ## real jobs on real Spark
	$(PYTEST) -m 'spark and not slow and not stores and not yarn and not k8s'

test-yarn: build ## jobs on a real YARN and HDFS (installed once, in .stores), or on the cluster of HADOOP_CONF_DIR
	scripts/yarn.sh $(MAKE) --no-print-directory -j 2 --output-sync=target test-yarn-go test-yarn-jobs

test-yarn-go:
	$(PURE) go test -count=1 ./internal/cluster

# Jobs wait for YARN more than they compute, but 2 CPUs bear no more than 2 of them.
YARN_TESTS := yarn and not slow
test-yarn-jobs:
	$(PYTHON) -m pytest -q --dist load -n 2 scripts/tests/spark -m '$(YARN_TESTS)' $(ARGS)

test-k8s: build ## jobs on a real Kubernetes (built once, in .k8s), or on the cluster of KUBECONFIG and TFOS_TEST_K8S_CONF
	scripts/k8s.sh $(MAKE) --no-print-directory test-k8s-jobs

test-k8s-jobs:
	$(PYTHON) -m pytest -q -m k8s -n 2 --dist load scripts/tests $(ARGS)

# Fewer tests: make test-spark4 ARGS='-k standalone'
test-spark4: build ## the same jobs on the newest PySpark 4.x
	export SPARK_HOME; SPARK_HOME=$$(scripts/spark.sh); $(PYTEST) -m 'spark and not slow and not stores and not yarn and not k8s' $(ARGS)

# Fewer cells: make test-versions ARGS='-k 2.21'
test-versions: build ## TensorFlow, Python and Spark versions: docs/versions.md (17 GB, once)
	PYTHONPATH=scripts $(PYTHON) -m versions || echo 'test-versions: their cells fail below' >&2
	$(PYTHON) -m pytest -q scripts/tests/spark/test_version_matrix.py $(ARGS)

test-all: build test-go ## everything, the slow ones, all versions and the race detector too
	PYTHONPATH=scripts $(PYTHON) -m versions || echo 'test-all: their cells fail below' >&2
	TFOS_TEST_MASTER=standalone $(PYTEST) -m 'not stores and not yarn and not k8s'
	$(MAKE) --no-print-directory test-stores STORES_TESTS=stores
	$(MAKE) --no-print-directory test-yarn YARN_TESTS=yarn
	$(MAKE) --no-print-directory test-k8s
	CGO_ENABLED=1 go test -race $(PURE_ROOMS)

# Some cases only: make bench-full BENCH='overhead files'
# Small passes of stores.inference take half a second, and measure how the servers' JVM starts.
bench: build ## tfos beside its peers, the short set on reduced rows: rows in and out, graph programs, stores, export
	$(PYTHON) scripts/bench --rows small --runs 1 spark_fed.floats files graph export stores.fed stores.graph stores.commit
	$(PYTHON) scripts/bench --rows full --runs 2 stores.inference

bench-full: build ## the whole benchmark: more than an hour
	$(PYTHON) scripts/bench $(BENCH)

bench-docs: ## docs/benchmarks.md and its plots: the cases of the last run replace earlier ones
	$(PYTHON) scripts/bench --docs docs/benchmarks/run.json .build/bench/bench.json

# gremlins copies the folder of go.mod, so it gets one without .venv and .versions. -count=1: its
# time limit is a multiple of the first run's time, which must not come from the test cache.
ROOM := internal/feed/task
mutate: ## what may break unseen in one room: make mutate ROOM=internal/model
	@rm -rf .build/mutate && mkdir -p .build/mutate
	@git ls-files -zco --exclude-standard | xargs -0 cp --parents -t .build/mutate
	cd .build/mutate && $(PURE) GOFLAGS='-buildvcs=false -vet=off -count=1 -ldflags=-s' go run $(GREMLINS) unleash ./$(ROOM) \
		--workers 1 --timeout-coefficient 20 --invert-logical --invert-loopctrl --remove-self-assignments \
		--output ../mutants-$(subst /,-,$(ROOM)).json $(ARGS)

check: setup ## linters, types, generated code, cgo-free build and tests
	@test -z "$$(gofmt -l cmd internal scripts | tee -a /dev/stderr)" || { echo 'check: run gofmt -w on these'; exit 1; }
	$(PURE) go vet $(PURE_ROOMS)
	$(CGO) go vet $(CGO_ROOMS)
	$(CGO) go tool staticcheck ./...
	go mod tidy -diff
	@$(MAKE) --no-print-directory proto OUT=.build/proto
	@diff -r -x '*.proto' internal/reserve/reservepb .build/proto/internal/reserve/reservepb || { echo 'check: run make proto'; exit 1; }
	$(PYTHON) -m ruff check scripts configs
	$(PYTHON) -m ruff format --check scripts configs
	$(PYTHON) -m mypy
	$(PURE) go test $(PURE_ROOMS)

OUT := .
proto: setup ## generate internal/reserve/reservepb
	@mkdir -p .build/tools $(OUT)
	@go build -o .build/tools/ google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
	@PATH=$(CURDIR)/.build/tools:$$PATH $(PYTHON) -m grpc_tools.protoc -I internal/reserve/reservepb \
		--go_out=$(OUT) --go_opt=module=tfos --go-grpc_out=$(OUT) --go-grpc_opt=module=tfos reserve.proto

clean: ## what was built; .venv, .versions and .stores stay
	scripts/standalone.sh stop
	rm -rf bin demo .build $(PAYLOAD)/*.s2
