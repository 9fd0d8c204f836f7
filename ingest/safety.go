package ingest

import (
	"errors"
	"fmt"
	"math"

	"onhand/jsonread"
	"onhand/ledger"
)

// Rule is a safety stock rule as it is written, with names: at most one of SKU and
// Category, and "" for any.
type Rule struct {
	SKU, Location, Category string
	Units                   int64 // thousandths of a unit
	None                    bool  // units null: nothing of it is promised there
}

type ruleName struct{ sku, location, category string }

func (r *Rule) name() ruleName { return ruleName{r.SKU, r.Location, r.Category} }

// String names the rule, for a person.
func (n ruleName) String() string {
	return fmt.Sprintf("the rule of sku %q, location %q, category %q", n.sku, n.location, n.category)
}

// DecodeSafetyRules reads the array of rules that is next in r:
//
//	[{"category":"dairy","units":1},{"sku":"8710398526001","location":"0042","units":null}]
//
// A rule that is there twice is refused. A number that is no quantity gives a
// *ledger.Refused with InvalidQuantity; every other error is an invalid request.
func DecodeSafetyRules(r *jsonread.Reader, strict bool) ([]Rule, error) {
	return decodeRules(r, strict, true)
}

// DecodeRuleNames is DecodeSafetyRules for rules to be removed, which need no units.
func DecodeRuleNames(r *jsonread.Reader, strict bool) ([]Rule, error) {
	return decodeRules(r, strict, false)
}

func decodeRules(r *jsonread.Reader, strict, needUnits bool) ([]Rule, error) {
	rules := []Rule{}
	seen := make(map[ruleName]bool)
	for r.BeginArray(); r.NextElem(); {
		rule := decodeRule(r, strict, needUnits)
		if seen[rule.name()] {
			r.Fail(fmt.Errorf("%s: %s is there twice", r.Path(), rule.name()))
		}
		seen[rule.name()] = true
		rules = append(rules, rule)
	}
	return rules, r.Err()
}

func decodeRule(r *jsonread.Reader, strict, needUnits bool) Rule {
	var rule Rule
	given := false
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "sku":
			if !r.Null() {
				rule.SKU = string(readSKU(r))
			}
		case "location":
			if !r.Null() {
				rule.Location = string(readLocation(r))
			}
		case "category":
			if !r.Null() {
				rule.Category = string(readText(r, 1, textBytesMax))
			}
		case "units":
			given = true
			rule.Units, rule.None = decodeUnits(r)
		default:
			unknown(r, strict)
		}
	}
	if needUnits && !given {
		r.Missing("units")
	}
	if rule.SKU != "" && rule.Category != "" {
		r.Refuse("a rule of a sku or of a category, not of both")
	}
	return rule
}

func decodeUnits(r *jsonread.Reader) (thousandths int64, none bool) {
	if r.Null() {
		return 0, true
	}
	n := r.Number()
	if r.Err() != nil {
		return 0, false
	}
	v, ok := n.Scaled(3)
	if !ok || v < 0 || v > math.MaxInt32*1000 {
		r.Fail(invalidQuantity(r.Path(), n, "want 0 or more units with at most 3 decimals"))
	}
	return v, false
}

// DistinctRules refuses a rule that is both set and removed.
func DistinctRules(set, remove []Rule) error {
	seen := make(map[ruleName]bool, len(set))
	for i := range set {
		seen[set[i].name()] = true
	}
	for i := range remove {
		if n := remove[i].name(); seen[n] {
			return fmt.Errorf("remove[%d]: %s is also in set", i, n)
		}
	}
	return nil
}

// ResolveRules finds the SKUs and locations that rules name. What master data does
// not know is added where the catalogue is open, else refused with UnknownSKU or UnknownLocation.
func (a *Applier) ResolveRules(rules []Rule) ([]ledger.SafetyRule, error) {
	return resolveRules(a.ledger, nil, rules)
}

func resolveRules(l *ledger.Ledger, s *ledger.System, rules []Rule) ([]ledger.SafetyRule, error) {
	now := l.Now()
	out := make([]ledger.SafetyRule, len(rules))
	for i := range rules {
		r := &rules[i]
		o := ledger.SafetyRule{Category: r.Category, Units: r.Units, None: r.None}
		var err error
		if r.SKU != "" {
			o.SKU, _, err = l.ResolveSKU(s, []byte(r.SKU), now)
		}
		if err == nil && r.Location != "" {
			o.Location, _, err = l.ResolveLocation(s, []byte(r.Location), now)
		}
		if err != nil {
			return nil, at(fmt.Sprintf("rules[%d]", i), err)
		}
		out[i] = o
	}
	return out, nil
}

// at says where in the message what was refused stands.
func at(path string, err error) error {
	var refused *ledger.Refused
	if errors.As(err, &refused) {
		return &ledger.Refused{Code: refused.Code, Detail: path + ": " + refused.Detail, Name: refused.Name}
	}
	return fmt.Errorf("%s: %w", path, err)
}

// ResolveRemovals is ResolveRules for rules to be removed: one that names what
// nobody knows cannot be in force, so it is left out.
func (a *Applier) ResolveRemovals(rules []Rule) []ledger.SafetyRule {
	return resolveRemovals(a.ledger, nil, rules)
}

func resolveRemovals(l *ledger.Ledger, s *ledger.System, rules []Rule) []ledger.SafetyRule {
	var out []ledger.SafetyRule
	for i := range rules {
		r := &rules[i]
		o := ledger.SafetyRule{Category: r.Category}
		known := true
		if r.SKU != "" {
			o.SKU, known = l.FindSKU(s, []byte(r.SKU))
		}
		if known && r.Location != "" {
			o.Location, known = l.FindLocation(s, []byte(r.Location))
		}
		if known {
			out = append(out, o)
		}
	}
	return out
}

// invalidQuantity refuses a number that is no quantity: path says which.
func invalidQuantity(path string, n jsonread.Number, why string) *ledger.Refused {
	raw := n.Raw
	if len(raw) > 48 {
		raw = append(append([]byte{}, raw[:48]...), "…"...)
	}
	return &ledger.Refused{Code: ledger.InvalidQuantity, Detail: path + ": " + string(raw) + ": " + why}
}
