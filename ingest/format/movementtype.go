package format

import (
	"fmt"
	"strings"
)

// movementType is what SAP's movement type does to a plant's stock.
type movementType struct {
	event     string // of the contract; "" where the plant's stock stays what it is
	minus     bool   // wms.adjustment: goods go
	condition string // of the line; wms.status: from
	to        string // wms.status
	special   string // "one-step": to another plant at once; "material": becomes another one
	reversed  bool   // of a special one
}

const (
	wmsReceipt    = "wms.receipt"
	wmsShipment   = "wms.shipment"
	wmsAdjustment = "wms.adjustment"
	wmsStatus     = "wms.status"

	qualityControl = "quality_control"
	quarantine     = "quarantine"
)

// movementTypes are SAP's own. A reversal is an adjustment, for it does not say by the
// name of which event it can be undone; what is undone of a receipt stays out of the
// inbound. Storage locations are no locations here: what moves between those of one plant
// moves nothing. Blocked stock is in quarantine.
var movementTypes = map[string]movementType{
	// In from a purchase order; into blocked stock and out of it; back to the vendor.
	"101": {event: wmsReceipt}, "102": {event: wmsAdjustment, minus: true},
	"103": {event: wmsReceipt, condition: quarantine}, "104": {event: wmsAdjustment, minus: true, condition: quarantine},
	"105": {event: wmsStatus, condition: quarantine, to: "sellable"}, "106": {event: wmsStatus, condition: "sellable", to: quarantine},
	"107": {event: wmsReceipt, condition: quarantine}, "108": {event: wmsAdjustment, minus: true, condition: quarantine},
	"109": {event: wmsStatus, condition: quarantine, to: "sellable"}, "110": {event: wmsStatus, condition: "sellable", to: quarantine},
	"122": {event: wmsShipment}, "123": {event: wmsAdjustment},
	"161": {event: wmsShipment}, "162": {event: wmsAdjustment},
	// Used up: cost centre, project, order, asset, any.
	"201": {event: wmsAdjustment, minus: true}, "202": {event: wmsAdjustment},
	"221": {event: wmsAdjustment, minus: true}, "222": {event: wmsAdjustment},
	"231": {event: wmsAdjustment, minus: true}, "232": {event: wmsAdjustment},
	"241": {event: wmsAdjustment, minus: true}, "242": {event: wmsAdjustment},
	"261": {event: wmsAdjustment, minus: true}, "262": {event: wmsAdjustment},
	"281": {event: wmsAdjustment, minus: true}, "282": {event: wmsAdjustment},
	"291": {event: wmsAdjustment, minus: true}, "292": {event: wmsAdjustment},
	// Sold in the store.
	"251": {event: "pos.sale"}, "252": {event: "pos.return"},
	// From plant to plant in one step and in two; to another material.
	"301": {special: "one-step"}, "302": {special: "one-step", reversed: true},
	"303": {event: "wms.transfer"}, "305": {event: "wms.transfer_receipt"},
	"309": {special: "material"}, "310": {special: "material", reversed: true},
	// Between storage locations.
	"311": {}, "312": {}, "313": {}, "314": {}, "315": {}, "316": {}, "323": {}, "324": {}, "325": {}, "326": {},
	// Between conditions.
	"321": {event: wmsStatus, condition: qualityControl, to: "sellable"}, "322": {event: wmsStatus, condition: "sellable", to: qualityControl},
	"343": {event: wmsStatus, condition: quarantine, to: "sellable"}, "344": {event: wmsStatus, condition: "sellable", to: quarantine},
	"349": {event: wmsStatus, condition: quarantine, to: qualityControl}, "350": {event: wmsStatus, condition: qualityControl, to: quarantine},
	// Shipped for a stock transport order, of which the receiver's inbound tells.
	"351": {event: wmsShipment}, "352": {event: wmsAdjustment},
	"641": {event: wmsShipment}, "642": {event: wmsAdjustment},
	// In without an order: free, to be inspected, blocked.
	"501": {event: wmsReceipt}, "502": {event: wmsAdjustment, minus: true},
	"503": {event: wmsReceipt, condition: qualityControl}, "504": {event: wmsAdjustment, minus: true, condition: qualityControl},
	"505": {event: wmsReceipt, condition: quarantine}, "506": {event: wmsAdjustment, minus: true, condition: quarantine},
	// Scrapped.
	"551": {event: wmsAdjustment, minus: true}, "552": {event: wmsAdjustment},
	"553": {event: wmsAdjustment, minus: true, condition: qualityControl}, "554": {event: wmsAdjustment, condition: qualityControl},
	"555": {event: wmsAdjustment, minus: true, condition: quarantine}, "556": {event: wmsAdjustment, condition: quarantine},
	// First entry.
	"561": {event: wmsAdjustment}, "562": {event: wmsAdjustment, minus: true},
	"563": {event: wmsAdjustment, condition: qualityControl}, "564": {event: wmsAdjustment, minus: true, condition: qualityControl},
	"565": {event: wmsAdjustment, condition: quarantine}, "566": {event: wmsAdjustment, minus: true, condition: quarantine},
	// To customers and back.
	"601": {event: wmsShipment}, "602": {event: wmsAdjustment},
	"651": {event: wmsReceipt, condition: quarantine}, "652": {event: wmsAdjustment, minus: true, condition: quarantine},
	"653": {event: wmsReceipt}, "654": {event: wmsAdjustment, minus: true},
	"655": {event: wmsReceipt, condition: qualityControl}, "656": {event: wmsAdjustment, minus: true, condition: qualityControl},
	"657": {event: wmsReceipt, condition: quarantine}, "658": {event: wmsAdjustment, minus: true, condition: quarantine},
	// Found and missing when counted.
	"701": {event: wmsAdjustment}, "702": {event: wmsAdjustment, minus: true},
	"703": {event: wmsAdjustment, condition: qualityControl}, "704": {event: wmsAdjustment, minus: true, condition: qualityControl},
	"707": {event: wmsAdjustment, condition: quarantine}, "708": {event: wmsAdjustment, minus: true, condition: quarantine},
}

// movementType finds what code does, in Options.Movement before the table.
func (o *Options) movementType(code string) (movementType, *Refusal) {
	m, ok := movementTypes[code]
	want := "a movement type that is known or configured"
	if said, configured := o.Movement[code]; configured {
		m, ok = configuredMovement(said)
		want = "it configured as " + wantMovement + ", not " + cut(said, 64)
	}
	if !ok {
		return m, &Refusal{Field: "MOVE_TYPE", Value: cut(code, 64), Why: want}
	}
	return m, nil
}

const wantMovement = "wms.receipt, wms.shipment, wms.adjustment:+, wms.adjustment:-, pos.sale, pos.return or none"

// CheckMovement says what is wrong with a value of Options.Movement: it is a type of event,
// with the sign of a wms.adjustment behind a colon, or "none" for what moves nothing here.
func CheckMovement(said string) error {
	if _, ok := configuredMovement(said); !ok {
		return fmt.Errorf("want %s, got %q", wantMovement, said)
	}
	return nil
}

func configuredMovement(said string) (m movementType, ok bool) {
	switch said {
	case "none":
		return movementType{}, true
	case wmsAdjustment + ":+", wmsAdjustment + ":-":
		return movementType{event: wmsAdjustment, minus: strings.HasSuffix(said, "-")}, true
	case wmsReceipt, wmsShipment, "pos.sale", "pos.return":
		return movementType{event: said}, true
	}
	return movementType{}, false
}
