package ledger

// Code says why a command was refused. Its word serves API, logs, metric labels
// and tests.
type Code uint8

// The codes, in the order in which they are checked.
const (
	OK Code = iota
	InvalidEvent
	TooOld
	IdempotencyMismatch
	UnknownReservation
	UnknownSKU
	UnknownLocation
	LocationInactive
	InvalidQuantity
	DuplicateLine
	ReservationExpired
	WrongState
	OverFulfilment
	OverConfirmation
	OverCancellation
	InsufficientStock
	InUse
	PreconditionFailed
	NotSupported
	AlreadyVoided
	TransferAlreadyShipped
	codeCount
)

var codeWords = [codeCount]string{
	OK: "ok", InvalidEvent: "invalid-event", TooOld: "too-old", IdempotencyMismatch: "idempotency-mismatch",
	UnknownReservation: "unknown-reservation", UnknownSKU: "unknown-sku", UnknownLocation: "unknown-location",
	LocationInactive: "location-inactive", InvalidQuantity: "invalid-quantity", DuplicateLine: "duplicate-line",
	ReservationExpired: "reservation-expired", WrongState: "wrong-state", OverFulfilment: "over-fulfilment",
	OverConfirmation: "over-confirmation", OverCancellation: "over-cancellation",
	InsufficientStock: "insufficient-stock", InUse: "in-use", PreconditionFailed: "precondition-failed",
	NotSupported: "not-supported", AlreadyVoided: "already-voided",
	TransferAlreadyShipped: "transfer-already-shipped",
}

func (c Code) String() string { return codeWords[c] }

// Refused is the error of a command that changed nothing, and why.
type Refused struct {
	Code   Code
	Detail string      // what was wrong and where, for a person
	Name   string      // with UnknownSKU and UnknownLocation: the code that nobody knows
	State  State       // with WrongState: the state it is in
	Word   string      // with WrongState: what it is in, where that is no State
	Short  []Shortfall // with InsufficientStock: each position that fell short
}

// Shortfall is one position that had less than was asked for.
type Shortfall struct {
	SKU       SKU
	Location  Location
	Requested int64 // the sum over the request's lines of the position
	Available Qty   // what this caller could have had
}

func (r *Refused) Error() string {
	if r.Detail == "" {
		return r.Code.String()
	}
	return r.Code.String() + ": " + r.Detail
}

func refuse(c Code, detail string) *Refused { return &Refused{Code: c, Detail: detail} }
