package ingest

import (
	"github.com/VictoriaMetrics/metrics"

	"onhand/ledger"
)

var (
	accepted   = metrics.NewCounter(`onhand_ingest_events_total{outcome="accepted"}`)
	duplicates = metrics.NewCounter(`onhand_ingest_events_total{outcome="duplicate"}`)
	refused    = metrics.NewCounter(`onhand_ingest_events_total{outcome="refused"}`)
	eventBytes = metrics.NewCounter("onhand_ingest_event_bytes_total")

	deadLettersPublished = metrics.NewCounter("onhand_ingest_dead_letters_published_total")
	lettersApplied       = metrics.NewCounter("onhand_ingest_dead_letters_applied_total")
	fetchErrors          = metrics.NewCounter("onhand_ingest_fetch_errors_total")
	partitionsStopped    = metrics.NewCounter("onhand_ingest_partitions_stopped_total")
	applyRetries         = metrics.NewCounter("onhand_ingest_apply_retries_total")

	refusals = refusalCounters(ledger.InvalidEvent, ledger.InvalidQuantity, ledger.DuplicateLine, ledger.UnknownSKU,
		ledger.UnknownLocation, ledger.IdempotencyMismatch, ledger.TooOld, ledger.NotSupported, ledger.AlreadyVoided,
		ledger.TransferAlreadyShipped)
)

func refusalCounters(codes ...ledger.Code) map[ledger.Code]*metrics.Counter {
	m := make(map[ledger.Code]*metrics.Counter)
	for _, c := range codes {
		m[c] = metrics.NewCounter(`onhand_ingest_refused_events_total{code="` + c.String() + `"}`)
	}
	return m
}
