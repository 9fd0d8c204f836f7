package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// TestStories plays the stories in testdata: each begins with an empty ledger at
// 10:00, and says what is sent and what came of it. -rewrite writes them anew, to be
// read as a diff.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := &story{t: t, clock: ledgertest.NewClock(), fs: vfs.NewMem()}
		s.open()
		datadriven.RunTest(t, path, s.play)
		ledgertest.Balanced(t, s.l)
		if err := s.l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestEveryRefusalHasAStory looks for each code's word where the stories say what came of it.
func TestEveryRefusalHasAStory(t *testing.T) {
	var all strings.Builder
	files, err := filepath.Glob("testdata/stories/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	// What is decided before a command is made has no story here.
	elsewhere := []ledger.Code{ledger.InvalidEvent, ledger.DuplicateLine}
	for c := ledger.OK + 1; c <= ledger.TransferAlreadyShipped; c++ {
		if !slices.Contains(elsewhere, c) && !strings.Contains(all.String(), "\n"+c.String()) {
			t.Errorf("no story tells of %v", c)
		}
	}
}

type story struct {
	t     *testing.T
	clock *ledgertest.Clock
	fs    vfs.FS
	l     *ledger.Ledger
	d     *datadriven.TestData
}

func (s *story) open() {
	s.t.Helper()
	l, err := ledger.Open(ledger.Options{Dir: "data", FS: s.fs, Clock: s.clock.Now, CheckpointEvery: -1})
	if err != nil {
		s.t.Fatal(err)
	}
	s.l = l
}

func (s *story) has(key string) bool { return s.d.HasArg(key) }

func (s *story) text(key string) (v string) {
	s.d.MaybeScanArgs(s.t, key, &v)
	return v
}

func (s *story) number(key string) int {
	v := s.text(key)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		s.d.Fatalf(s.t, "%s: %v", key, err)
	}
	return n
}

// at reads a time of the story's day, 10:05 or 10:05:30; without one it is now.
func (s *story) at(key string) ledger.Millis {
	v := s.text(key)
	if v == "" {
		return s.clock.Now()
	}
	return s.clockTime(v)
}

func (s *story) clockTime(v string) ledger.Millis {
	layout := time.TimeOnly
	if strings.Count(v, ":") == 1 {
		layout = "15:04"
	}
	t, err := time.Parse(layout, v)
	if err != nil {
		s.d.Fatalf(s.t, "%v", err)
	}
	return ledgertest.Start + ledger.Millis(t.Sub(time.Date(0, 1, 1, 10, 0, 0, 0, time.UTC)).Milliseconds())
}

func clockFace(m ledger.Millis) string {
	return time.UnixMilli(int64(m)).UTC().Format("15:04:05.000")
}

func (s *story) sku(name string) ledger.SKU {
	id, _ := s.l.LookupSKU([]byte(name))
	return id
}

func (s *story) loc(name string) ledger.Location {
	id, _ := s.l.LookupLocation([]byte(name))
	return id
}

// cell is one line of a command's input: "milk at Dam 3", with from=… or unsellable behind it.
type cell struct {
	sku        ledger.SKU
	loc, from  ledger.Location
	quantity   ledger.Qty
	unsellable bool
	expected   ledger.Millis
}

func (s *story) cells() (out []cell) {
	for _, line := range strings.Split(strings.TrimSpace(s.d.Input), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		c := cell{sku: s.sku(f[0])}
		for i := 1; i < len(f); i++ {
			switch {
			case f[i] == "at":
				i++
				c.loc = s.loc(f[i])
			case f[i] == "unsellable":
				c.unsellable = true
			case strings.HasPrefix(f[i], "expected="):
				c.expected = s.clockTime(f[i][9:])
			case strings.HasPrefix(f[i], "from="):
				c.from = s.loc(f[i][5:])
			default:
				n, err := strconv.Atoi(f[i])
				if err != nil {
					s.d.Fatalf(s.t, "%q: %v", line, err)
				}
				c.quantity = ledger.Qty(n)
			}
		}
		out = append(out, c)
	}
	return out
}

func (s *story) play(t *testing.T, d *datadriven.TestData) string {
	s.d = d
	now := s.clock.Now()
	switch d.Cmd {
	case "sku":
		return s.apply(ledger.PutSKU{Info: ledger.SKUInfo{SKU: s.text("id"), Category: s.text("category"), Decimals: s.number("decimals")}, Now: now})
	case "location":
		return s.apply(ledger.PutLocation{Info: ledger.LocationInfo{Location: s.text("id"), Active: !s.has("inactive")}, Now: now})
	case "delete-sku":
		return s.apply(ledger.DeleteSKU{SKU: s.sku(s.text("id")), Now: now})
	case "delete-location":
		return s.apply(ledger.DeleteLocation{Location: s.loc(s.text("id")), Now: now})
	case "safety":
		c := ledger.SetSafety{Replace: true, Now: now, IfMatch: ledger.Seq(s.number("if-match")),
			Set: []ledger.SafetyRule{{SKU: s.sku(s.text("sku")), Location: s.loc(s.text("at")), Category: s.text("category"),
				Units: int64(s.number("units")) * 1000, None: s.has("none")}}}
		return s.apply(c)
	case "sale", "return", "receipt", "shipment", "adjustment", "transfer", "transfer-receipt":
		return s.movement(d.Cmd)
	case "inbound":
		c := &ledger.Inbound{Name: s.name(), ID: s.text("of"), Received: now, Location: s.loc(s.text("at"))}
		for _, cl := range s.cells() {
			c.Lines = append(c.Lines, ledger.InboundLine{SKU: cl.sku, Quantity: cl.quantity, ExpectedAt: cl.expected})
		}
		return s.apply(c)
	case "under-way":
		return s.underWay()
	case "show-transfer":
		return s.showTransfer()
	case "count":
		c := &ledger.Count{Name: s.name(), CountedAt: s.at("time"), Received: now, Location: s.loc(s.text("at"))}
		for _, cl := range s.cells() {
			c.Lines = append(c.Lines, ledger.CountLine{SKU: cl.sku, Quantity: cl.quantity})
		}
		return s.apply(c)
	case "void":
		return s.apply(&ledger.Void{Kind: ledger.KindStockVoid, Name: s.name(), Source: "test", Voids: s.text("of"), Received: now, Location: s.loc(s.text("at"))})
	case "hold", "ask":
		return s.hold()
	case "placed", "paid", "cancelled", "payment-failed":
		return s.order(d.Cmd)
	case "confirm", "cancel", "fulfil", "amend", "extend":
		return s.transition(d.Cmd)
	case "wait":
		dur, err := time.ParseDuration(s.text("for"))
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		s.clock.Advance(ledger.Millis(dur.Milliseconds()))
		return clockFace(s.clock.Now()) + "\n"
	case "restart":
		if err := s.l.Close(); err != nil {
			return err.Error() + "\n"
		}
		s.open()
		return ""
	case "letter":
		return s.letter()
	case "exceptions":
		return s.exceptions()
	case "resolve":
		return s.resolve()
	case "past":
		return s.past()
	case "position":
		return s.position()
	case "history":
		return s.history()
	case "reservation":
		r, ok, err := s.l.Reservation(s.text("id"), now)
		if err != nil || !ok {
			return fmt.Sprintf("not there: %v\n", err)
		}
		return s.reservation(r)
	}
	d.Fatalf(t, "unknown command %q", d.Cmd)
	return ""
}

func (s *story) name() ledger.EventName {
	var content uint64
	for _, b := range []byte(s.d.Input) {
		content = content*31 + uint64(b)
	}
	return ledger.EventName{Source: "test", ID: s.text("id"), Time: s.at("time"), Content: content}
}

func (s *story) movement(what string) string {
	kinds := map[string]ledger.Kind{"sale": ledger.KindSale, "return": ledger.KindReturn, "receipt": ledger.KindReceipt,
		"shipment": ledger.KindShipment, "adjustment": ledger.KindAdjustment, "transfer": ledger.KindTransfer,
		"transfer-receipt": ledger.KindTransferReceipt}
	m := &ledger.Movement{Kind: kinds[what], Name: s.name(), Received: s.clock.Now(), Location: s.loc(s.text("at")), Reservation: s.text("reservation")}
	for _, c := range s.cells() {
		ln := ledger.MovementLine{SKU: c.sku, Quantity: c.quantity}
		if what == "sale" || what == "shipment" || what == "transfer" {
			ln.Quantity = -c.quantity
		}
		if c.unsellable {
			ln.Unsellable = ln.Quantity
		}
		m.Lines = append(m.Lines, ln)
	}
	if ops := map[string]ledger.InboundOp{"receipt": ledger.InboundReceived, "transfer": ledger.InboundShipped,
		"transfer-receipt": ledger.InboundTransferReceipt}; s.has("of") {
		m.Inbound = &ledger.InboundChange{Op: ops[what], ID: s.text("of"), To: s.loc(s.text("to")), Complete: s.has("complete")}
		if s.has("expected") {
			m.Inbound.ExpectedAt = s.at("expected")
		}
	}
	return s.apply(m)
}

func (s *story) hold() string {
	now := s.clock.Now()
	ttl := ledger.Millis(900_000)
	if s.has("ttl") {
		ttl = ledger.Millis(s.number("ttl")) * 1000
	}
	var call ledger.Hash
	call.Lo = s.name().Content
	h := &ledger.Hold{ID: s.text("id"), Call: call, Now: now, ExpiresAt: now + ttl, AllowPartial: s.has("partial"), Key: s.key(), To: s.loc(s.text("to"))}
	for _, c := range s.cells() {
		h.Lines = append(h.Lines, ledger.HoldLine{SKU: c.sku, Location: c.loc, Quantity: c.quantity})
	}
	merged, at, ok := ledger.MergeHoldLines(h.Lines)
	if !ok {
		return fmt.Sprintf("%v: line %d: the sum is out of range\n", ledger.InvalidQuantity, at)
	}
	h.Lines = merged
	return s.apply(h)
}

// order plays an event of an order: id is the event's, of the order's.
func (s *story) order(what string) string {
	kinds := map[string]ledger.Kind{"placed": ledger.KindOrderPlaced, "paid": ledger.KindOrderPaid, "cancelled": ledger.KindOrderCancelled,
		"payment-failed": ledger.KindPaymentFailed}
	o := &ledger.Order{Kind: kinds[what], Name: s.name(), Received: s.clock.Now(), ID: s.text("of"), Reason: s.text("reason")}
	o.Call.Lo = o.Name.Content
	if what == "placed" {
		o.ExpiresAt = o.Received + 900_000
	}
	for _, c := range s.cells() {
		o.Lines = append(o.Lines, ledger.HoldLine{SKU: c.sku, Location: c.loc, Quantity: c.quantity})
	}
	out := s.apply(o)
	if e, err := s.l.Entry(s.l.Seq()); err == nil && e.EventID == s.text("id") {
		if refused, _, err := e.OrderOutcome(); err != nil || refused != "" {
			out += fmt.Sprintf("  refused as %s%v\n", refused, errText(err))
		}
		if !e.ChangesReservation() && !strings.HasPrefix(out, "duplicate") {
			out += "  nothing changed\n"
		}
	}
	return out
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// key makes an idempotency key; what belongs to it is the command and its input.
func (s *story) key() ledger.CallKey {
	if !s.has("key") {
		return ledger.CallKey{}
	}
	return ledger.CallKey{Key: ledger.NameHash("key", s.text("key")), Call: ledger.NameHash(s.d.Cmd+s.text("id"), s.d.Input)}
}

func (s *story) transition(what string) string {
	ops := map[string]ledger.Kind{"confirm": ledger.KindConfirm, "cancel": ledger.KindCancel, "fulfil": ledger.KindFulfil,
		"amend": ledger.KindAmend, "extend": ledger.KindExtend}
	t := &ledger.Transition{Op: ops[what], ID: s.text("id"), Key: s.key(), Now: s.clock.Now(), Reference: s.text("reference"),
		Transfer: s.has("transfer")}
	for _, c := range s.cells() {
		t.Lines = append(t.Lines, ledger.TransitionLine{SKU: c.sku, Location: c.loc, Quantity: c.quantity, From: c.from})
	}
	t.HasLines = len(t.Lines) > 0
	if s.has("ttl") {
		t.ExpiresAt = s.clock.Now() + ledger.Millis(s.number("ttl"))*1000
	}
	if s.has("time") {
		t.Time = s.at("time")
	}
	return s.apply(t)
}

// apply tells what came of a command: a refusal, or its effects as the journal has them.
func (s *story) apply(c ledger.Command) string {
	res, err := s.l.Apply(c)
	var refused *ledger.Refused
	if errors.As(err, &refused) {
		out := refused.Error()
		if refused.Word != "" {
			out += ", state " + refused.Word
		}
		for _, x := range refused.Short {
			out += fmt.Sprintf("\n  %s at %s: requested %d, available %d", s.l.SKUName(x.SKU), s.l.LocationName(x.Location), x.Requested, x.Available)
		}
		return out + "\n"
	}
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b strings.Builder
	switch {
	case res.Duplicate:
		return fmt.Sprintf("duplicate of %d\n", res.Seq)
	case res.Replayed:
		return fmt.Sprintf("replayed from %d, now %v\n%s", res.Seq, res.StateNow, s.reservation(res.Reservation))
	case res.Reservation != nil:
		b.WriteString(s.reservation(res.Reservation))
	}
	e, err := s.l.Entry(res.Seq)
	if err != nil {
		return b.String() + "error: " + err.Error() + "\n"
	}
	for _, ln := range e.Lines {
		fmt.Fprintf(&b, "  %s at %s: %s\n", s.l.SKUName(ln.SKU), s.l.LocationName(ln.Location), figures(ln.After))
	}
	for _, x := range e.Exceptions {
		fmt.Fprintf(&b, "  exception %v %s at %s: believed %d, said %d%s\n", x.Code, s.l.SKUName(x.SKU), s.l.LocationName(x.Location), x.Believed, x.Counted, why(x.Cause))
	}
	return b.String()
}

func why(c ledger.Cause) string {
	if c == ledger.NoCause {
		return ""
	}
	return ", " + c.String()
}

// letter keeps a movement that was refused: code, and the lines that it would have moved.
func (s *story) letter() string {
	d := &ledger.DeadLetter{ReceivedAt: s.clock.Now(), Code: s.text("code"), HappenedAt: s.at("time"), Value: []byte("{}")}
	for _, c := range s.cells() {
		d.Moves = append(d.Moves, ledger.LetterMove{SKU: c.sku, Location: s.loc(s.text("at")), Moved: c.quantity})
	}
	return s.apply(d)
}

// exceptions lists what matches, newest first.
func (s *story) exceptions() string {
	f := ledger.ExceptionFilter{SKU: s.sku(s.text("sku")), Category: s.text("category"), MinSize: int64(s.number("min-size")) * 1000,
		Open: s.text("state") == "open", Resolved: s.text("state") == "resolved"}
	if s.has("at") {
		f.Locations = []ledger.Location{s.loc(s.text("at"))}
	}
	if s.has("since") {
		f.Since = s.at("since")
	}
	f.Cause, _ = ledger.ParseCause(s.text("cause"))
	all, _, err := s.l.Exceptions(f, ledger.ExceptionID{}, 100)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b strings.Builder
	for _, x := range all {
		fmt.Fprintf(&b, "%v %v %s at %s: %d instead of %d%s", x.ID, x.Code, s.l.SKUName(x.SKU), s.l.LocationName(x.Location), x.Counted, x.Believed, why(x.Cause))
		if x.Resolution != nil {
			fmt.Fprintf(&b, "; resolved %s by %s: %s", clockFace(x.Resolution.At), x.Resolution.By, x.Resolution.Note)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *story) resolve() string {
	id, ok := ledger.ParseExceptionID(s.text("id"))
	if !ok {
		s.d.Fatalf(s.t, "no id: %s", s.text("id"))
	}
	res, err := s.l.Apply(ledger.ResolveException{ID: id, By: s.text("by"), Note: s.text("note"), Key: s.key(), Now: s.clock.Now()})
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	r := res.Resolution
	return fmt.Sprintf("%v resolved %s by %s: %s, entry %d, again %v\n", r.Exception, clockFace(r.At), r.By, r.Note, r.Seq, res.Replayed)
}

func figures(f ledger.Figures) string {
	out := fmt.Sprintf("on hand %d", f.OnHand)
	for _, p := range []struct {
		name string
		q    ledger.Qty
	}{{"unsellable", f.Unsellable}, {"held", f.Held}, {"committed", f.Committed}, {"shortage", f.Shortage()}} {
		if p.q != 0 {
			out += fmt.Sprintf(", %s %d", p.name, p.q)
		}
	}
	return out
}

func (s *story) reservation(r *ledger.Reservation) string {
	out := fmt.Sprintf("%s is %v", r.ID, r.State)
	if r.ExpiresAt != 0 {
		out += " until " + clockFace(r.ExpiresAt)
	}
	if r.Reference != "" {
		out += ", reference " + r.Reference
	}
	for _, ln := range r.Lines {
		out += fmt.Sprintf("\n  %d of %s at %s: held %d, committed %d, fulfilled %d, cancelled %d", ln.Quantity,
			s.l.SKUName(ln.SKU), s.l.LocationName(ln.Location), ln.Held, ln.Committed, ln.Fulfilled, ln.Cancelled)
		if ln.Available >= 0 {
			out += fmt.Sprintf(", available then %d", ln.Available)
		}
	}
	return out + "\n"
}

func (s *story) underWay() string {
	f := ledger.InboundFilter{SKU: s.sku(s.text("sku"))}
	if s.has("to") {
		f.Locations = append(f.Locations, s.loc(s.text("to")))
	}
	var b strings.Builder
	for after := ""; ; { // a page is one row
		rows := s.l.InboundRows(f, after, 1)
		if len(rows) == 0 {
			break
		}
		r := &rows[0]
		fmt.Fprintf(&b, "%v %s: %d of %s to %s", r.Kind, r.ID, r.Quantity, s.l.SKUName(r.SKU), s.l.LocationName(r.To))
		if r.From != 0 {
			fmt.Fprintf(&b, " from %s", s.l.LocationName(r.From))
		}
		if r.ExpectedAt != 0 {
			fmt.Fprintf(&b, " at %s", clockFace(r.ExpectedAt))
		}
		fmt.Fprintf(&b, ", since %d\n", r.Seq)
		after = r.Cursor()
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func (s *story) showTransfer() string {
	t, ok, err := s.l.Transfer(s.text("id"), s.clock.Now())
	if err != nil || !ok {
		return fmt.Sprintf("not there: %v\n", err)
	}
	out := fmt.Sprintf("%v, to %s\n%s", t.State, s.l.LocationName(t.To), s.reservation(t.Reservation))
	for _, p := range t.Lines {
		out += fmt.Sprintf("  %s: shipped %d, received %d, to come %d\n", s.l.SKUName(p.SKU), p.Shipped, p.Received, p.Inbound)
	}
	return out
}

func (s *story) position() string {
	row, _ := s.l.Position(s.sku(s.text("sku")), s.loc(s.text("at")), s.clock.Now())
	out := fmt.Sprintf("available %d: %s", row.Available(), figures(row.Figures))
	if row.Safety != 0 || !row.Promised {
		out += fmt.Sprintf(", safety %d, promised %v", row.Safety, row.Promised)
	}
	if row.AsOf != 0 {
		out += ", as of " + clockFace(row.AsOf)
	}
	return out + "\n"
}

func (s *story) past() string {
	at := ledger.Millis(0)
	if s.has("time") {
		at = s.at("time")
	}
	p, err := s.l.PositionAt(s.sku(s.text("sku")), s.loc(s.text("at")), ledger.Seq(s.number("seq")), at, s.clock.Now())
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	out := "then unknown"
	if p.Known != nil {
		out = fmt.Sprintf("then %s since entry %d", figures(p.Known.Figures), p.Known.Seq)
	}
	for _, r := range p.Reservations {
		out += fmt.Sprintf("\n  %s held %d, committed %d", r.ID, r.Held, r.Committed)
	}
	if !p.Complete {
		out += "\n  and more"
	}
	if p.Now == nil {
		return out + "\nnow unknown\n"
	}
	return out + "\nnow " + figures(*p.Now) + "\n"
}

func (s *story) history() string {
	entries, ok, err := s.l.History(s.sku(s.text("sku")), s.loc(s.text("at")), 0, 100)
	if err != nil || !ok {
		return fmt.Sprintf("none: %v\n", err)
	}
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%d %s %v moved %+d: on hand %+d held %+d committed %+d → %s\n", e.Seq, clockFace(e.Time), e.Kind, e.Line.Moved,
			e.Line.Delta.OnHand, e.Line.Delta.Held, e.Line.Delta.Committed, figures(e.Line.After))
	}
	return b.String()
}
