package ledger

import "github.com/VictoriaMetrics/metrics"

var (
	inspections     = metrics.NewCounter("onhand_ledger_inspections_total")
	inspectFindings = metrics.NewCounter("onhand_ledger_inspection_findings_total")
	inspectErrors   = metrics.NewCounter("onhand_ledger_inspection_errors_total")
)
