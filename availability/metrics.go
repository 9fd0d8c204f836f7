package availability

import "github.com/VictoriaMetrics/metrics"

var (
	subscribersOpen  = metrics.NewGauge("onhand_availability_feed_subscribers", nil)
	subscribersCut   = metrics.NewCounter("onhand_availability_feed_cut_total")
	published        = metrics.NewCounter("onhand_availability_published_messages_total")
	publishFailures  = metrics.NewCounter("onhand_availability_publish_failures_total")
	exceptionsTold   = metrics.NewCounter("onhand_availability_published_exceptions_total")
	reservationsTold = metrics.NewCounter("onhand_availability_published_reservations_total")
	publishSeconds   = metrics.NewHistogram("onhand_availability_publish_seconds")
)
