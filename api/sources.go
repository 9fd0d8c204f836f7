package api

import (
	"strconv"

	"onhand/jsonread"
	"onhand/ledger"
)

// listSources answers GET /v1/sources: how each source of events does, by its name.
func (r *request) listSources() {
	p, ok := r.listQuery()
	if !ok {
		return
	}
	now := r.s.Ledger.Now()
	all := r.s.Ledger.Sources(p.cursor, p.limit+1)
	items, next := newList(r.out), ""
	for i := range all {
		if items.n == p.limit {
			next = all[i-1].Source
			break
		}
		items.item()
		items.b = appendSource(items.b, &all[i], now)
	}
	r.out = items.end(next)
	r.answerLarge(r.out)
}

func appendSource(b []byte, s *ledger.SourceHealth, now ledger.Millis) []byte {
	count := func(name string, n uint64) { b = strconv.AppendUint(append(b, name...), n, 10) }
	moment := func(name string, t ledger.Millis) {
		if b = append(b, name...); t == 0 {
			b = append(b, "null"...)
			return
		}
		b = appendMillis(b, t)
	}
	b = jsonread.AppendString(append(b, `{"source":`...), s.Source)
	moment(`,"last_event_at":`, s.LastEventAt)
	moment(`,"last_arrival_at":`, s.LastArrivalAt)
	count(`,"events":`, s.Events)
	today := s.Today
	if s.LastArrivalAt/dayMillis != now/dayMillis {
		today = 0
	}
	count(`,"events_today":`, today)
	if lately, usual, ok := s.Rates(now); ok {
		b = strconv.AppendFloat(append(b, `,"rate_per_minute":`...), lately, 'f', 3, 64)
		b = strconv.AppendFloat(append(b, `,"usual_rate_per_minute":`...), usual, 'f', 3, 64)
	} else {
		b = append(b, `,"rate_per_minute":null,"usual_rate_per_minute":null`...)
	}
	count(`,"duplicates":`, s.Duplicates)
	count(`,"out_of_order":`, s.OutOfOrder)
	count(`,"ahead":{"events":`, s.Ahead)
	count(`,"max_ms":`, uint64(s.AheadMax))
	count(`},"heartbeats":`, s.Heartbeats)
	moment(`,"last_heartbeat_at":`, s.LastHeartbeatAt)
	last, numbered := s.Last()
	if !numbered {
		return append(b, `,"sequence":null}`...)
	}
	count(`,"sequence":{"last":`, last)
	count(`,"missing":`, s.Missing)
	b = append(b, `,"gaps":[`...)
	for i, g := range s.Gaps() {
		if i > 0 {
			b = append(b, ',')
		}
		count(`{"from":`, g.From)
		count(`,"to":`, g.To)
		moment(`,"before":`, g.At)
		b = append(b, '}')
	}
	count(`],"filled":`, s.Filled)
	count(`,"repeated":`, s.Repeated)
	count(`,"restarts":`, s.Restarts)
	count(`,"given_up":`, s.GivenUp)
	return append(b, "}}"...)
}
