package ingest

import (
	"onhand/jsonread"
	"onhand/ledger"
)

// policy is the data of erp.policy: the name of the policy, and beside it what its
// PUT takes, which replaces the whole set, or what its PATCH takes, which changes some:
//
//	{"policy":"safety-stock","rules":[{"category":"dairy","units":1}]}
//	{"policy":"safety-stock","set":[{"sku":"8710398526001","units":2}],"remove":[{"category":"dairy"}]}
type policy struct {
	Name        string
	Rules       []Rule // nil: the event changes some
	Set, Remove []Rule
}

func (d *decoder) readPolicy(r *jsonread.Reader) {
	p := &d.policy
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "policy":
			switch p.Name = string(r.Text()); p.Name {
			case "safety-stock":
			case "quotas", "backorders":
				r.Fail(refuse(ledger.NotSupported, "policy: %s are not supported yet", p.Name))
			default:
				r.Refuse("safety-stock, quotas or backorders")
			}
		case "rules":
			p.Rules, _ = DecodeSafetyRules(r, false)
		case "set":
			p.Set, _ = DecodeSafetyRules(r, false)
		case "remove":
			p.Remove, _ = DecodeRuleNames(r, false)
		}
	}
	if p.Name == "" {
		r.Missing("policy")
	}
	change := p.Set != nil || p.Remove != nil
	if p.Rules == nil && !change {
		r.Missing("rules")
	}
	if p.Rules != nil && change {
		r.Refuse("rules, or set and remove, not both")
	}
	if err := DistinctRules(p.Set, p.Remove); err != nil {
		r.Fail(err)
	}
}

func (d *decoder) submitPolicy(name ledger.EventName, now ledger.Millis) (ledger.Result, error) {
	p := &d.policy
	c := ledger.SetSafety{Replace: p.Rules != nil, Now: now, Name: name}
	set := p.Set
	if c.Replace {
		set = p.Rules
	}
	if d.dry && d.ledger.Options().OpenCatalogue {
		return d.commit(c) // names that nobody knows would be added
	}
	var err error
	if c.Set, err = resolveRules(d.ledger, d.system, set); err != nil {
		return ledger.Result{}, err
	}
	c.Remove = resolveRemovals(d.ledger, d.system, p.Remove)
	return d.commit(c)
}
