package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"onhand/ledger"
)

// seqPoll is how often a call that waits for a change looks whether it is there.
// Such calls come from clients of another node, and are few.
const seqPoll = 2 * time.Millisecond

// waitForSeq waits until this node has the change that min_seq names. Where it
// has not in time, or the number is none, it has answered and ok is false.
func (r *request) waitForSeq() (ok bool) {
	value, given, err := r.param("min_seq")
	if err == nil && !given {
		return true
	}
	seq, parseErr := strconv.ParseUint(value, 10, 63)
	if err != nil || parseErr != nil {
		r.problem("invalid-request", "min_seq: want one whole number, 0 or more")
		return false
	}
	return r.waitFor(ledger.Seq(seq))
}

func (r *request) waitFor(seq ledger.Seq) (ok bool) {
	l := r.s.Ledger
	if l.Seq() >= seq {
		return true
	}
	late := time.NewTimer(r.s.MinSeqTimeout)
	defer late.Stop()
	look := time.NewTicker(seqPoll)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if l.Seq() >= seq {
				return true
			}
		case <-late.C:
			r.problem("not-ready", fmt.Sprintf("min_seq: this node has the changes up to %d", l.Seq()))
			return false
		case <-r.s.stopping:
			r.problem("not-ready", "the service stops")
			return false
		}
	}
}

// page is what of a list is asked for.
type page struct {
	cursor string // decoded; "": from the beginning
	limit  int
}

var errCursor = errors.New("cursor: not one that this service gave")

// page reads cursor and limit.
func (r *request) page() (p page, err error) {
	cursor, given, err := r.param("cursor")
	if err != nil {
		return p, err
	}
	if given {
		b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
		if err != nil || len(b) == 0 {
			return p, errCursor
		}
		p.cursor = string(b)
	}
	p.limit = listLimitDefault
	limit, given, err := r.param("limit")
	if err != nil {
		return p, err
	}
	if given {
		if p.limit, err = strconv.Atoi(limit); err != nil || p.limit < 1 || p.limit > listLimitMax {
			return p, fmt.Errorf("limit: want a whole number from 1 to %d", listLimitMax)
		}
	}
	return p, nil
}

// number is a cursor that is a number.
func (p page) number(bits int) (uint64, error) {
	if p.cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(p.cursor, 10, bits)
	if err != nil {
		return 0, errCursor
	}
	return n, nil
}

// list writes {"items":[…],"next":…}.
type list struct {
	b []byte
	n int
}

func newList(b []byte) list { return list{b: append(b[:0], `{"items":[`...)} }

// item begins an item: what it is, is appended to b.
func (l *list) item() {
	if l.n > 0 {
		l.b = append(l.b, ',')
	}
	l.n++
}

// end appends the cursor after which the next page begins, null where it is "".
func (l *list) end(next string) []byte {
	l.b = append(l.b, `],"next":`...)
	if next == "" {
		return append(l.b, "null}"...)
	}
	l.b = append(l.b, '"')
	l.b = base64.RawURLEncoding.AppendEncode(l.b, []byte(next))
	return append(l.b, `"}`...)
}
