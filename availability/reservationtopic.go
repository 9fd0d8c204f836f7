package availability

import (
	"context"
	"strconv"

	"onhand/jsonread"
	"onhand/ledger"
)

// ReservationPublisher tells Kafka of each change of a reservation, and of what an order's
// event asked for in vain, keyed by the reservation's id, at least once and in the order
// of the journal. Transfers that were asked for are not told. While the broker is away it
// stands still, and nothing else waits for it.
type ReservationPublisher struct{ outbox }

// StartReservationPublisher goes on where the last one of this ledger stopped, or begins
// with the journal. It needs no broker to start.
func StartReservationPublisher(l *ledger.Ledger, o TopicOptions) (*ReservationPublisher, error) {
	p := &ReservationPublisher{}
	if err := p.open(l, "reservations", o.fill("onhand.reservations")); err != nil {
		return nil, err
	}
	p.follower.OnlyReservations()
	p.tell, p.told = p.tellEntry, reservationsTold
	p.start()
	return p, nil
}

// reservationBytesMax is the longest record that has its lines: with a batch that is not
// full yet it is less than the 1 MiB that brokers take.
const reservationBytesMax = 400 << 10

func (p *ReservationPublisher) tellEntry(ctx context.Context, e *ledger.Entry) error {
	r := e.Reservation
	if r == nil || r.To != 0 {
		return nil
	}
	refused, reason, err := e.OrderOutcome()
	if err != nil {
		return err
	}
	if refused != "" {
		reason = refused
	} else if e.Kind == ledger.KindCancel {
		reason = string(e.Payload)
	}
	now := *r
	now.Seq = e.Seq // also where the reservation stays as it was
	head := p.begin("onhand.reservation", strconv.FormatUint(uint64(e.Seq), 10), []byte(r.ID), e.RecordedAt)
	head = append(head, `{"change":"`...)
	head = append(head, changeWord(e, refused)...)
	head = appendText(append(head, `","reason":`...), reason)
	if e.Source == "" {
		head = append(head, `,"event":null,`...)
	} else {
		head = jsonread.AppendString(append(head, `,"event":{"source":`...), e.Source)
		head = jsonread.AppendString(append(head, `,"id":`...), e.EventID)
		head = append(head, "},"...)
	}
	n := len(head)
	b := append(head, AppendReservation(nil, p.ledger, &now)[1:]...)
	if e.Kind == ledger.KindOrderPlaced && refused != "" {
		b = append(appendShort(b[:len(b)-1], p.ledger, r), '}')
	}
	if len(b) > reservationBytesMax {
		b = append(appendReservationHead(b[:n], &now), `,"lines":null}`...)
	}
	return p.add(ctx, e.RecordedAt, []byte(r.ID), b)
}

// changeWord is what the entry did to its reservation.
func changeWord(e *ledger.Entry, refused string) string {
	r := e.Reservation
	switch {
	case refused != "":
		return "refused"
	case e.Kind == ledger.KindCancel || e.Kind == ledger.KindOrderCancelled || e.Kind == ledger.KindPaymentFailed:
		return "cancelled"
	case e.Kind == ledger.KindAmend:
		return "amended"
	case e.Kind == ledger.KindExtend:
		return "extended"
	case e.Kind == ledger.KindSaleVoid || e.Kind == ledger.KindStockVoid:
		return "reopened"
	case r.State == ledger.Confirmed && (e.Kind == ledger.KindFulfil || e.Kind == ledger.KindSale || e.Kind == ledger.KindShipment):
		return "partly-fulfilled"
	}
	return r.State.String()
}

// appendShort appends the positions of which a new order could not have enough.
func appendShort(b []byte, l *ledger.Ledger, r *ledger.Reservation) []byte {
	b = append(b, `,"short":[`...)
	first := true
	for i := range r.Lines {
		ln := &r.Lines[i]
		if ln.Available < 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = jsonread.AppendString(append(b, `{"sku":`...), l.SKUName(ln.SKU))
		b = appendText(append(b, `,"location":`...), l.LocationName(ln.Location))
		b = jsonread.AppendScaled(append(b, `,"requested":`...), int64(ln.Quantity-ln.Cancelled), int(ln.Decimals))
		b = jsonread.AppendScaled(append(b, `,"available":`...), int64(ln.Available), int(ln.Decimals))
		b = append(b, '}')
	}
	return append(b, ']')
}
