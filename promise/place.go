package promise

import (
	"bytes"
	"fmt"
	"strconv"

	"onhand/ledger"
)

// place is a line in the ledger's terms.
type place struct {
	sku      ledger.SKU
	location ledger.Location
	from     ledger.Location
	quantity ledger.Qty
}

// adding says which unknown names are added to the catalogue on sight.
type adding struct {
	stock bool // SKUs and locations
	from  bool // locations that goods left from
}

// places appends the places of lines to dst. It refuses, in this order: unknown
// names unless they are to be added, naming all of them; quantities that are none.
// Names are added only when everything else is right.
func (s *Service) places(dst []place, lines []Line, now ledger.Millis, add adding) ([]place, error) {
	var unknown *Refusal
	missing := false
	for i := range lines {
		ln := &lines[i]
		var p place
		var ok bool
		if p.sku, ok = s.ledger.LookupSKU(ln.SKU); !ok {
			missing = true
			if !add.stock {
				unknown = unknown.unknownName(ledger.UnknownSKU, ln, ln.Location, ln.SKU, i)
			}
		}
		if ln.Location != nil {
			if p.location, ok = s.ledger.LookupLocation(ln.Location); !ok {
				missing = true
				if !add.stock {
					unknown = unknown.unknownName(ledger.UnknownLocation, ln, ln.Location, ln.Location, i)
				}
			}
		}
		if ln.From != nil {
			if p.from, ok = s.ledger.LookupLocation(ln.From); !ok {
				missing = true
				if !add.from {
					unknown = unknown.unknownName(ledger.UnknownLocation, ln, ln.From, ln.From, i)
				}
			}
		}
		dst = append(dst, p)
	}
	if unknown != nil {
		return dst, unknown
	}
	for i := range lines {
		q, err := s.quantity(lines, i, dst[i].sku)
		if err != nil {
			return dst, err
		}
		dst[i].quantity = q
	}
	if !missing {
		return dst, nil
	}
	return dst, s.addNames(dst, lines, now)
}

// quantity is a line's, in steps of its SKU; a SKU that nobody knows yet counts pieces.
func (s *Service) quantity(lines []Line, i int, sku ledger.SKU) (ledger.Qty, error) {
	d, decimals := lines[i].Quantity, s.ledger.Decimals(sku)
	q, ok := d.Steps(decimals)
	if ok && q > 0 {
		return q, nil
	}
	what := ""
	switch {
	case d.Overflow:
		what = "out of range, or of too many digits"
	case d.Coef <= 0:
		what = "must be greater than 0"
	case int(d.Scale) > decimals:
		what = fmt.Sprintf("more decimals than the SKU's %d", decimals)
	default:
		what = "out of range"
	}
	return 0, &Refusal{Code: ledger.InvalidQuantity,
		Detail: fmt.Sprintf("lines[%d].quantity: %s: %s", i, written(d), what)}
}

// written is the number as a person writes it.
func written(d ledger.Decimal) string {
	if d.Overflow {
		return "a number"
	}
	text := strconv.FormatInt(d.Coef, 10)
	if d.Scale <= 0 {
		return text
	}
	sign := ""
	if d.Coef < 0 {
		sign, text = "-", text[1:]
	}
	for len(text) <= int(d.Scale) {
		text = "0" + text
	}
	at := len(text) - int(d.Scale)
	return sign + text[:at] + "." + text[at:]
}

// badSum refuses the position of line i.
func badSum(lines []Line, i int) *Refusal {
	first := i
	for j := range lines[:i] {
		if bytes.Equal(lines[j].SKU, lines[i].SKU) && bytes.Equal(lines[j].Location, lines[i].Location) {
			first = j
			break
		}
	}
	return &Refusal{Code: ledger.InvalidQuantity,
		Detail: fmt.Sprintf("lines[%d].quantity: with the lines of the same SKU and location from lines[%d] on the sum is out of range", i, first)}
}

// addNames makes the names that nobody knew known, each with an exception for a
// person to look at: no event carries it.
func (s *Service) addNames(dst []place, lines []Line, now ledger.Millis) (err error) {
	for i := range lines {
		ln, p := &lines[i], &dst[i]
		if p.sku == 0 {
			if p.sku, err = s.addSKU(ln.SKU, now); err != nil {
				return err
			}
		}
		if p.location == 0 && ln.Location != nil {
			if p.location, err = s.addLocation(ln.Location, now); err != nil {
				return err
			}
		}
		if p.from == 0 && ln.From != nil {
			if p.from, err = s.addLocation(ln.From, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) addSKU(name []byte, now ledger.Millis) (ledger.SKU, error) {
	if _, known := s.ledger.LookupSKU(name); !known {
		c := ledger.PutSKU{Info: ledger.SKUInfo{SKU: string(name)}, Now: now, OnSight: true, Report: true}
		if _, err := s.ledger.Submit(c); err != nil {
			return 0, fmt.Errorf("add SKU %q: %w", name, err)
		}
	}
	id, _ := s.ledger.LookupSKU(name)
	return id, nil
}

func (s *Service) addLocation(name []byte, now ledger.Millis) (ledger.Location, error) {
	if _, known := s.ledger.LookupLocation(name); !known {
		info := ledger.LocationInfo{Location: string(name), Kind: "store", TimeZone: "UTC", Active: true}
		if _, err := s.ledger.Submit(ledger.PutLocation{Info: info, Now: now, OnSight: true, Report: true}); err != nil {
			return 0, fmt.Errorf("add location %q: %w", name, err)
		}
	}
	id, _ := s.ledger.LookupLocation(name)
	return id, nil
}
