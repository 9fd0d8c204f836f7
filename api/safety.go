package api

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"onhand/ingest"
	"onhand/jsonread"
	"onhand/ledger"
)

// getSafety answers GET /v1/policies/safety-stock with the rules in force.
func (r *request) getSafety() {
	if r.reading() {
		r.answerSafety()
	}
}

// putSafety answers PUT /v1/policies/safety-stock, which replaces all rules.
func (r *request) putSafety() {
	if !r.readObject() {
		return
	}
	var rules []ingest.Rule
	j, given := &r.json, false
	for j.BeginObject(); j.NextKey(); {
		switch string(j.Key()) {
		case "rules":
			given = true
			rules, _ = ingest.DecodeSafetyRules(j, true) // the error sticks to j
		case "seq": // what was got can be put again; which set it replaces is If-Match's to say
		default:
			j.Unknown()
		}
	}
	if !given {
		j.Missing("rules")
	}
	if err := j.End(); err != nil {
		r.malformed(err)
		return
	}
	r.setSafety(rules, nil, true)
}

// patchSafety answers PATCH /v1/policies/safety-stock, which changes some rules.
func (r *request) patchSafety() {
	if !r.readObject() {
		return
	}
	var set, remove []ingest.Rule
	j := &r.json
	for j.BeginObject(); j.NextKey(); {
		switch string(j.Key()) {
		case "set":
			set, _ = ingest.DecodeSafetyRules(j, true)
		case "remove":
			remove, _ = ingest.DecodeRuleNames(j, true)
		default:
			j.Unknown()
		}
	}
	if set == nil && remove == nil {
		j.Missing("set")
	}
	err := j.End()
	if err == nil {
		err = ingest.DistinctRules(set, remove)
	}
	if err != nil {
		r.malformed(err)
		return
	}
	r.setSafety(set, remove, false)
}

// setSafety makes the change and answers with all rules.
func (r *request) setSafety(set, remove []ingest.Rule, replace bool) {
	ifMatch, ok := r.ifMatch()
	if !ok {
		r.problem("precondition-failed", "If-Match: the rules in force have another ETag")
		return
	}
	c := ledger.SetSafety{Replace: replace, IfMatch: ifMatch, Remove: r.s.Ingest.ResolveRemovals(remove)}
	var err error
	var res ledger.Result
	if c.Set, err = r.s.Ingest.ResolveRules(set); err == nil {
		c.Now = r.s.Ledger.Now()
		res, err = r.s.Ledger.Apply(c)
	}
	if err != nil {
		r.fail(err)
		return
	}
	if replace {
		r.answerRules(c.Set, res.Seq)
		return
	}
	r.answerSafety() // which may include a later change, and then has its ETag
}

// ifMatch is the change that must be the latest of the rules, 0 for any. Not ok:
// it is none of those that the header names. An ETag is the number of the change,
// in quotes; a weak one matches nothing.
func (r *request) ifMatch() (seq ledger.Seq, ok bool) {
	headers := r.ctx.Request.Header.PeekAll("If-Match")
	if len(headers) == 0 {
		return 0, true
	}
	_, latest := r.s.Ledger.SafetyRules()
	for _, h := range headers {
		for tag := range bytes.SplitSeq(h, []byte{','}) {
			tag = bytes.TrimSpace(tag)
			if string(tag) == "*" {
				return 0, true
			}
			if string(tag) == etag(latest) {
				return latest, true
			}
		}
	}
	return 0, false
}

func etag(seq ledger.Seq) string { return `"` + strconv.FormatUint(uint64(seq), 10) + `"` }

func (r *request) answerSafety() { r.answerRules(r.s.Ledger.SafetyRules()) }

// answerRules answers {"rules":[…],"seq":…}, sorted by SKU, location and category,
// those that name none first.
func (r *request) answerRules(rules []ledger.SafetyRule, seq ledger.Seq) {
	named := make([]ingest.Rule, len(rules))
	for i, s := range rules {
		named[i] = ingest.Rule{SKU: r.s.Ledger.SKUName(s.SKU), Location: r.s.Ledger.LocationName(s.Location),
			Category: s.Category, Units: s.Units, None: s.None}
	}
	slices.SortFunc(named, func(a, b ingest.Rule) int {
		return cmp.Or(cmp.Compare(a.SKU, b.SKU), cmp.Compare(a.Location, b.Location), cmp.Compare(a.Category, b.Category))
	})
	b := append(r.out[:0], `{"rules":[`...)
	for i := range named {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRule(b, &named[i])
	}
	b = append(b, `],"seq":`...)
	b = append(strconv.AppendUint(b, uint64(seq), 10), '}')
	r.ctx.Response.Header.Set("ETag", etag(seq))
	r.out = b
	r.answerLarge(b)
}

// appendRule appends a rule with the members that name it, and its units.
func appendRule(b []byte, rule *ingest.Rule) []byte {
	b = append(b, '{')
	text := func(name, value string) {
		if value != "" {
			b = append(jsonread.AppendString(append(append(append(b, '"'), name...), `":`...), value), ',')
		}
	}
	text("sku", rule.SKU)
	text("location", rule.Location)
	text("category", rule.Category)
	b = append(b, `"units":`...)
	if rule.None {
		return append(b, "null}"...)
	}
	return append(jsonread.AppendScaled(b, rule.Units, 3), '}')
}
