package api

import "github.com/VictoriaMetrics/metrics"

var (
	panics         = metrics.NewCounter("onhand_api_panics_total")
	internalErrors = metrics.NewCounter("onhand_api_internal_errors_total")
)
