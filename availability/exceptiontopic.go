package availability

import (
	"context"

	"onhand/ledger"
)

// exceptionFollowerName is the cursor of who publishes exceptions.
const exceptionFollowerName = "exceptions"

// ExceptionPublisher tells Kafka of each exception, and of each that was resolved, at
// least once and in the order of the journal. Its cause is what can be told when it is
// published. While the broker is away it stands still, and nothing else waits for it.
type ExceptionPublisher struct {
	outbox
	key []byte // of the record being rendered
}

// StartExceptionPublisher goes on where the last one of this ledger stopped, or begins
// with the journal. It needs no broker to start.
func StartExceptionPublisher(l *ledger.Ledger, o TopicOptions) (*ExceptionPublisher, error) {
	p := &ExceptionPublisher{}
	if err := p.open(l, exceptionFollowerName, o.fill("onhand.exceptions")); err != nil {
		return nil, err
	}
	p.follower.OnlyExceptions()
	p.tell, p.told = p.tellEntry, exceptionsTold
	p.start()
	return p, nil
}

const (
	raisedType   = "onhand.exception"
	resolvedType = "onhand.exception.resolved"
)

func (p *ExceptionPublisher) tellEntry(ctx context.Context, e *ledger.Entry) error {
	for j := range e.Exceptions {
		x := e.Raised(j)
		if err := p.ledger.Explain(&x); err != nil {
			return err
		}
		if err := p.addException(ctx, &x, raisedType, x.ID.String(), x.RecordedAt); err != nil {
			return err
		}
	}
	if e.Kind == ledger.KindExceptionResolved {
		return p.addResolution(ctx, e)
	}
	return nil
}

func (p *ExceptionPublisher) addResolution(ctx context.Context, e *ledger.Entry) error {
	r, err := e.Resolution()
	if err != nil || r.Seq != e.Seq {
		return err // an entry that only remembers a key tells nothing new
	}
	x, ok, err := p.ledger.Exception(r.Exception)
	if err != nil || !ok {
		return err // it is no longer kept
	}
	return p.addException(ctx, &x, resolvedType, x.ID.String()+"/resolved", r.At)
}

func (p *ExceptionPublisher) addException(ctx context.Context, x *ledger.Raised, kind, id string, at ledger.Millis) error {
	p.key = append(append(p.key[:0], p.ledger.SKUName(x.SKU)...), '|')
	p.key = append(p.key, p.ledger.LocationName(x.Location)...)
	return p.add(ctx, at, p.key, AppendException(p.begin(kind, id, p.key, at), p.ledger, x))
}
