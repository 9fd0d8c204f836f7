STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@latest

SIMULATE ?= 1m
WORKERS ?= 2
FUZZ ?= 20s
OPS ?= 1000000
ROUNDS ?= 200

.PHONY: build test prove check vet simulate linearize crash fuzz bench

build:
	go build -o onhand .

# Everything, then what many goroutines share once more under the race detector.
test: vet
	go test -timeout 15m ./...
	go test -race -short -timeout 15m ./ledger ./promise ./ingest ./availability ./api
	go test -race -short -timeout 15m -run 'Buyers|Killed' .

# What machines try to break it with, for as long as every change is worth.
prove:
	$(MAKE) simulate SIMULATE=1m
	$(MAKE) linearize OPS=1000000
	$(MAKE) fuzz FUZZ=20s

vet:
	@test -z "$$(gofmt -l .)" || { gofmt -l . ; echo "these files are not gofmt-clean"; exit 1; }
	go vet ./...

# The simulation for as long as asked (SIMULATE=30m), from fresh seeds after those that once failed.
simulate:
	go test ./simulate -count=1 -timeout 0 -run TestSimulation -v -for $(SIMULATE) -workers $(WORKERS)

# Every fuzz target for as long as asked, one after another: make fuzz FUZZ=20s.
fuzz:
	.ci/fuzz $(FUZZ)

# As many calls over HTTP as asked, their history judged; make linearize OPS=50000000.
linearize:
	go test . -run 'TestLineariz' -v -timeout 24h -linearize-ops $(OPS)

# Killed under load, again and again: make crash ROUNDS=200.
crash:
	go test . -run TestKilledUnderLoad -count=1 -v -timeout 24h -crash-rounds $(ROUNDS)

# Everything that bench/RESULTS.md says, measured anew: about forty minutes, better with nothing else running.
bench:
	go run ./bench compare --time-limit 1h --markdown bench/RESULTS.md
	go run ./bench scale --time-limit 1h --markdown bench/RESULTS.md
	go run ./bench import --markdown bench/RESULTS.md

check: vet
	go run $(STATICCHECK) ./...
	-go run $(GOVULNCHECK) ./...
	go test -timeout 20m ./...
	go test -race -timeout 20m ./...
