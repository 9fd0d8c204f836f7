package ingest

// kind is what an event's type asks for.
type kind uint8

const (
	kindUnknown kind = iota
	kindSale
	kindReturn
	kindReceipt
	kindShipment
	kindAdjustment
	kindCount
	kindItem
	kindLocation
	kindPolicy
	kindNotBuilt // a type of the contract that this version does not apply
)

func kindOf(eventType []byte) kind {
	switch string(eventType) {
	case "pos.sale":
		return kindSale
	case "pos.return":
		return kindReturn
	case "wms.receipt":
		return kindReceipt
	case "wms.shipment":
		return kindShipment
	case "wms.adjustment":
		return kindAdjustment
	case "wms.count":
		return kindCount
	case "erp.item":
		return kindItem
	case "erp.location":
		return kindLocation
	case "erp.policy":
		return kindPolicy
	case "pos.void", "wms.void", "wms.status", "wms.transfer", "wms.transfer_receipt", "erp.snapshot", "erp.inbound",
		"order.placed", "order.paid", "order.cancelled", "order.payment_failed", "feed.heartbeat":
		return kindNotBuilt
	}
	return kindUnknown
}

func (k kind) takesReservation() bool { return k == kindSale || k == kindShipment }

// takesCondition: the others say nothing of conditions, or of all of them together.
func (k kind) takesCondition() bool { return k >= kindReturn && k <= kindAdjustment }

// skipsZero: in these types a line of quantity 0 is no mistake and does nothing.
func (k kind) skipsZero() bool { return k >= kindSale && k <= kindShipment }
