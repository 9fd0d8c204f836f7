package availability

import (
	"onhand/jsonread"
	"onhand/ledger"
)

// frameBytes is about how much of a window is handed on at a time.
const frameBytes = 32 << 10

// framer writes the signals of windows, of one location or of many, as server-sent events.
//
// The id of an event is a seq up to which everything has been told when the reader
// has that event, so that resuming after it loses nothing. Events come in order of
// the latest entry of their position in the window, so that entry's seq is such an
// id, but for all but the last of several positions of one entry, and where a
// change of rules still has to be told of; the last event of a window has the
// window's end. A reader that resumes may so hear some signals again.
type framer struct {
	stock *Stock
	yield func([]byte) bool // each slice is its receiver's to share and never written again
	now   ledger.Millis
	b     []byte
	held  Signal // not written yet: it may be the last
}

// begin is called before a window's signals.
func (f *framer) begin(w *window) {
	f.now = f.stock.ledger.Now()
	if w.gap {
		f.b = appendReset(f.b, w.scope.first-1)
	}
}

// add takes a signal, and says whether more are wanted.
func (f *framer) add(s *Signal) (more bool) {
	if !s.Changed {
		return true
	}
	if f.held.SKU != 0 {
		f.b = f.stock.appendFrame(f.b, &f.held, f.held.Safe, f.now)
	}
	f.held = *s
	if len(f.b) < frameBytes {
		return true
	}
	more = f.yield(f.b)
	f.b = nil
	return more
}

// end is called after a window's signals. It says whether there were any that it wrote.
func (f *framer) end(w *window) (wrote bool) {
	if f.held.SKU != 0 {
		f.b = f.stock.appendFrame(f.b, &f.held, w.to, f.now)
		f.held = Signal{}
	}
	if len(f.b) == 0 {
		return false
	}
	f.yield(f.b)
	f.b = nil
	return true
}

// appendProgress tells a reader how far it may resume from: an id without an event.
func appendProgress(dst []byte, seq ledger.Seq) []byte {
	dst = append(dst, "id: "...)
	dst = appendInt(dst, int64(seq))
	return append(dst, "\n\n"...)
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
