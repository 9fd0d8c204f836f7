package ledger

import "github.com/VictoriaMetrics/metrics"

var (
	inspections     = metrics.NewCounter("onhand_ledger_inspections_total")
	inspectFindings = metrics.NewCounter("onhand_ledger_inspection_findings_total")
	inspectErrors   = metrics.NewCounter("onhand_ledger_inspection_errors_total")

	eventsAhead      = metrics.NewCounter("onhand_ledger_events_ahead_of_clock_total")
	eventsOutOfOrder = metrics.NewCounter("onhand_ledger_events_out_of_order_total")
	sequenceGaps     = metrics.NewCounter("onhand_ledger_sequence_gaps_total")

	countsCounted    = metrics.NewCounter(`onhand_ledger_records_counted_total{by="wms.count"}`)
	countsWithin     = metrics.NewCounter(`onhand_ledger_records_within_tolerance_total{by="wms.count"}`)
	snapshotsCounted = metrics.NewCounter(`onhand_ledger_records_counted_total{by="erp.snapshot"}`)
	snapshotsWithin  = metrics.NewCounter(`onhand_ledger_records_within_tolerance_total{by="erp.snapshot"}`)
)

// count raises the counters of what is unusual about an event.
func (o oddity) count() {
	if o&aheadOfClock != 0 {
		eventsAhead.Inc()
	}
	if o&outOfOrder != 0 {
		eventsOutOfOrder.Inc()
	}
	if o&foundGap != 0 {
		sequenceGaps.Inc()
	}
}

// countedRecords raises the counters of accuracy: the one divided by the other is the part
// of the figures that were right.
func countedRecords(k Kind, t Tally) {
	counted, within := countsCounted, countsWithin
	if k == KindSnapshot {
		counted, within = snapshotsCounted, snapshotsWithin
	}
	counted.AddInt64(int64(t.Counted))
	within.AddInt64(int64(t.Within))
}
