package availability

import (
	"strconv"

	"onhand/jsonread"
	"onhand/ledger"
)

// AppendException appends an exception as callers and readers of the topic see it.
func AppendException(b []byte, l *ledger.Ledger, r *ledger.Raised) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, r.ID.String()...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, uint64(r.ID.Seq), 10)
	b = appendTime(append(b, `,"time":`...), r.Time)
	b = appendTime(append(b, `,"recorded_at":`...), r.RecordedAt)
	b = append(b, `,"code":"`...)
	b = append(b, r.Code.String()...)
	b = appendText(append(b, `","sku":`...), l.SKUName(r.SKU))
	b = appendText(append(b, `,"location":`...), l.LocationName(r.Location))
	if difference, sized := r.Size(); sized {
		decimals := l.Decimals(r.SKU)
		b = jsonread.AppendScaled(append(b, `,"believed":`...), int64(r.Believed), decimals)
		b = jsonread.AppendScaled(append(b, `,"counted":`...), int64(r.Counted), decimals)
		b = jsonread.AppendScaled(append(b, `,"difference":`...), difference, decimals)
	} else {
		b = append(b, `,"believed":null,"counted":null,"difference":null`...)
	}
	b = appendText(append(b, `,"cause":`...), r.Cause.String())
	if r.Source == "" {
		b = append(b, `,"event":null`...)
	} else {
		b = jsonread.AppendString(append(b, `,"event":{"source":`...), r.Source)
		b = jsonread.AppendString(append(b, `,"id":`...), r.EventID)
		b = append(b, '}')
	}
	if r.Resolution == nil {
		return append(b, `,"state":"open","resolved_seq":null,"resolved_at":null,"note":null,"by":null}`...)
	}
	b = append(b, `,"state":"resolved","resolved_seq":`...)
	b = append(strconv.AppendUint(b, uint64(r.Resolution.Seq), 10), ',')
	return append(appendResolution(b, r.Resolution), '}')
}

// AppendResolution appends what a person found of an exception. It depends on nothing
// else, so that a repeated answer has the bytes of the first.
func AppendResolution(b []byte, r *ledger.Resolution) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, r.Exception.String()...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, uint64(r.Seq), 10)
	b = append(b, `,"state":"resolved",`...)
	return append(appendResolution(b, r), '}')
}

func appendResolution(b []byte, r *ledger.Resolution) []byte {
	b = appendTime(append(b, `"resolved_at":`...), r.At)
	b = appendText(append(b, `,"note":`...), r.Note)
	return appendText(append(b, `,"by":`...), r.By)
}

func appendTime(b []byte, t ledger.Millis) []byte {
	return append(jsonread.AppendTime(append(b, '"'), int64(t)), '"')
}

// appendText appends a text, null where it is "".
func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return jsonread.AppendString(b, s)
}
