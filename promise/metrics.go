package promise

import (
	"github.com/VictoriaMetrics/metrics"

	"onhand/ledger"
)

var (
	reserveCalls  = metrics.NewCounter(`onhand_promise_calls_total{call="reserve"}`)
	transferCalls = metrics.NewCounter(`onhand_promise_calls_total{call="transfer"}`)
	changeCalls   = map[ledger.Kind]*metrics.Counter{
		ledger.KindConfirm: metrics.NewCounter(`onhand_promise_calls_total{call="confirm"}`),
		ledger.KindCancel:  metrics.NewCounter(`onhand_promise_calls_total{call="cancel"}`),
		ledger.KindFulfil:  metrics.NewCounter(`onhand_promise_calls_total{call="fulfil"}`),
		ledger.KindAmend:   metrics.NewCounter(`onhand_promise_calls_total{call="amend"}`),
		ledger.KindExtend:  metrics.NewCounter(`onhand_promise_calls_total{call="extend"}`),
	}
	replays  = metrics.NewCounter("onhand_promise_replays_total")
	refusals = refusalCounters(ledger.IdempotencyMismatch, ledger.UnknownReservation, ledger.UnknownSKU, ledger.UnknownLocation,
		ledger.LocationInactive, ledger.InvalidQuantity, ledger.ReservationExpired, ledger.WrongState, ledger.OverFulfilment,
		ledger.OverConfirmation, ledger.OverCancellation, ledger.InsufficientStock, ledger.NotSupported)
)

func refusalCounters(codes ...ledger.Code) map[ledger.Code]*metrics.Counter {
	m := make(map[ledger.Code]*metrics.Counter, len(codes))
	for _, c := range codes {
		m[c] = metrics.NewCounter(`onhand_promise_refusals_total{code="` + c.String() + `"}`)
	}
	return m
}
