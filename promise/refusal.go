package promise

import (
	"errors"
	"fmt"

	"onhand/ledger"
)

// Refusal is the error of a call that changed nothing, in names.
type Refusal struct {
	Code   ledger.Code
	Detail string        // what was wrong and where, for a person
	State  ledger.State  // with WrongState: the state it is in
	Word   string        // with WrongState: what it is in, where that is no State
	Lines  []RefusedLine // what is at fault, where that is positions
}

// RefusedLine is one position that is at fault.
type RefusedLine struct {
	SKU      string
	Location string // "": the line named none
	Counted  bool   // Requested and Available say something

	Requested int64      // what was asked for there, in steps of the SKU
	Available ledger.Qty // what this caller could have had
	Decimals  int        // of both
}

func (r *Refusal) Error() string {
	if r.Detail == "" {
		return r.Code.String()
	}
	return r.Code.String() + ": " + r.Detail
}

// unknownName adds a line with an unknown name to the refusal, which may be nil.
// Unknown SKUs decide about the code; every line is named once.
func (r *Refusal) unknownName(code ledger.Code, ln *Line, location, name []byte, i int) *Refusal {
	if r == nil || r.Code > code {
		var lines []RefusedLine
		if r != nil {
			lines = r.Lines
		}
		r = &Refusal{Code: code, Detail: fmt.Sprintf("lines[%d]: nobody knows %s", i, quoted(name)), Lines: lines}
	}
	bad := RefusedLine{SKU: string(ln.SKU), Location: string(location)}
	if n := len(r.Lines); n == 0 || r.Lines[n-1] != bad {
		r.Lines = append(r.Lines, bad)
	}
	return r
}

// refusal puts what the ledger refused into names. Other errors stay as they are.
func (s *Service) refusal(err error) error {
	var r *Refusal
	if !errors.As(err, &r) {
		var refused *ledger.Refused
		if !errors.As(err, &refused) {
			return err
		}
		r = s.named(refused)
	}
	if c := refusals[r.Code]; c != nil {
		c.Inc()
	}
	return r
}

func (s *Service) named(refused *ledger.Refused) *Refusal {
	r := &Refusal{Code: refused.Code, Detail: refused.Detail, State: refused.State, Word: refused.Word}
	for _, short := range refused.Short {
		ln := RefusedLine{SKU: s.ledger.SKUName(short.SKU), Location: s.ledger.LocationName(short.Location),
			Decimals: s.ledger.Decimals(short.SKU)}
		switch r.Code {
		case ledger.UnknownSKU, ledger.UnknownLocation, ledger.LocationInactive:
		default:
			ln.Counted, ln.Requested, ln.Available = true, short.Requested, short.Available
		}
		r.Lines = append(r.Lines, ln)
	}
	if r.Detail == "" && r.Code == ledger.InsufficientStock && len(r.Lines) > 0 {
		r.Detail = fmt.Sprintf("%d of the positions have too little, the first of them SKU %s at location %s",
			len(r.Lines), quoted([]byte(r.Lines[0].SKU)), quoted([]byte(r.Lines[0].Location)))
	}
	return r
}

// quoted shows a name from outside, cut where it is long.
func quoted(name []byte) string {
	if len(name) > 128 {
		name = name[:128]
	}
	return fmt.Sprintf("%q", name)
}
