package availability

import (
	"onhand/jsonread"
	"onhand/ledger"
)

// frameBytes is about how much of a window is handed on at a time.
const frameBytes = 32 << 10

// frames yields the window as server-sent events. Each slice is its receiver's to
// share and never written again.
//
// The id of an event is a seq up to which everything has been told when the reader
// has that event, so that resuming after it loses nothing. Events come in order of
// the latest entry of their position in the window, so that entry's seq is such an
// id, but for all but the last of several positions of one entry, and where a
// change of rules still has to be told of; the last event of a window has the
// window's end. A reader that resumes may so hear some signals again.
func (w *window) frames(yield func([]byte) bool) error {
	var b []byte
	if w.gap {
		b = appendReset(b, w.scope.first-1)
	}
	var held Signal // not written yet: it may be the last
	now, more := w.stock.ledger.Now(), true
	err := w.each(func(s *Signal) bool {
		if !s.Changed {
			return true
		}
		if held.SKU != 0 {
			b = w.stock.appendFrame(b, &held, held.Safe, now)
		}
		held = *s
		if len(b) >= frameBytes {
			more = yield(b)
			b = nil
		}
		return more
	})
	if err != nil || !more {
		return err
	}
	if held.SKU != 0 {
		b = w.stock.appendFrame(b, &held, w.to, now)
	}
	if len(b) > 0 {
		yield(b)
	}
	return nil
}

func (s *Stock) appendFrame(dst []byte, sig *Signal, id ledger.Seq, now ledger.Millis) []byte {
	dst = append(dst, "id: "...)
	dst = appendInt(dst, int64(id))
	dst = append(dst, "\nevent: freshness\ndata: "...)
	dst = s.appendState(dst, sig.SKU, &sig.Row, sig.Seq, now)
	return append(dst, "\n\n"...)
}

// appendReset tells a reader that what came before an entry is not known to it
// from here: it should read what it needs anew.
func appendReset(dst []byte, after ledger.Seq) []byte {
	dst = append(dst, "event: reset\ndata: {\"seq\":"...)
	dst = appendInt(dst, int64(after))
	return append(dst, "}\n\n"...)
}

// appendState appends a position's latest state: sku and seq, then a row's members.
func (s *Stock) appendState(dst []byte, id ledger.SKU, r *ledger.Row, seq ledger.Seq, now ledger.Millis) []byte {
	dst = append(dst, `{"sku":`...)
	dst = jsonread.AppendString(dst, s.ledger.SKUName(id))
	dst = append(dst, `,"seq":`...)
	dst = appendInt(dst, int64(seq))
	dst = append(dst, ',')
	dst = s.appendMembers(dst, r, s.ledger.Decimals(id), now, 0)
	dst[len(dst)-1] = '}'
	return dst
}
