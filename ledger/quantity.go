package ledger

import "math"

type (
	// SKU is the dense number of a sellable item, from 1; 0 is none.
	SKU uint32
	// Location is the dense number of a node that holds stock, from 1; 0 is none.
	Location uint32
	// Qty counts the smallest steps of a SKU: pieces, or grams where it has 3 decimals.
	Qty int32
	// Millis is a moment in milliseconds since 1970 in UTC, or a length of time.
	Millis int64
	// Seq numbers the accepted changes, from 1, without gaps; 0 is none.
	Seq uint64
)

const (
	dayMillis Millis = 24 * 60 * 60 * 1000
	never     Millis = math.MaxInt64
)

// inRange says whether a sum still is a quantity. Sums are made in 64 bits, of
// at most 100,000 terms of 32, so they cannot wrap before they are looked at.
func inRange(v int64) bool { return v >= math.MinInt32 && v <= math.MaxInt32 }

// Figures are the quantities of one position, in the SKU's smallest steps.
type Figures struct {
	OnHand     Qty // physically there, in any condition; may be negative
	Unsellable Qty // what moved in a condition that cannot be sold; below 0 until what left has also come
	Held       Qty // under reservations with a deadline
	Committed  Qty // under confirmed reservations
}

// Free is what nothing has a claim on, which may be negative.
func (f Figures) Free() int64 {
	return int64(f.OnHand) - int64(f.Blocked()) - int64(f.Held) - int64(f.Committed)
}

// Blocked is the part of on hand that cannot be sold. Damaged units that left before
// anyone told of their coming do not make others sellable.
func (f Figures) Blocked() Qty { return max(0, f.Unsellable) }

// Available is the one formula of what can be promised:
// max(0, on hand − unsellable − held − committed − safety stock).
func (f Figures) Available(safety Qty) Qty {
	return clampQty(f.Free() - int64(safety))
}

// Shortage is what is promised but not there:
// max(0, held + committed + unsellable − on hand).
func (f Figures) Shortage() Qty { return clampQty(-f.Free()) }

func clampQty(v int64) Qty { return Qty(max(0, min(v, math.MaxInt32))) }
