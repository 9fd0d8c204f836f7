STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@latest

SIMULATE ?= 1m
WORKERS ?= 2

.PHONY: build test check vet simulate

build:
	go build -o onhand .

# Everything, then what many goroutines share once more under the race detector.
test: vet
	go test -timeout 15m ./...
	go test -race -short -timeout 15m ./ledger ./promise ./ingest ./availability ./api
	go test -race -short -timeout 15m -run 'Buyers|Killed' .

vet:
	@test -z "$$(gofmt -l .)" || { gofmt -l . ; echo "these files are not gofmt-clean"; exit 1; }
	go vet ./...

# The simulation for as long as asked (SIMULATE=30m), from fresh seeds after those that once failed.
simulate:
	go test ./simulate -count=1 -timeout 0 -run TestSimulation -v -for $(SIMULATE) -workers $(WORKERS)

check: vet
	go run $(STATICCHECK) ./...
	-go run $(GOVULNCHECK) ./...
	go test -timeout 20m ./...
	go test -race -timeout 20m ./...
