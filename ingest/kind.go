package ingest

import "onhand/ledger"

// kind is what an event's type asks for.
type kind uint8

// The kinds. Their numbers are in what is hashed of an event: new ones go before
// kindNotBuilt.
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
	kindStatus
	kindSnapshot
	kindHeartbeat
	kindSaleVoid
	kindStockVoid
	kindTransfer
	kindTransferReceipt
	kindInbound
	kindPeriod
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
	case "wms.status":
		return kindStatus
	case "erp.snapshot":
		return kindSnapshot
	case "feed.heartbeat":
		return kindHeartbeat
	case "pos.void":
		return kindSaleVoid
	case "wms.void":
		return kindStockVoid
	case "wms.transfer":
		return kindTransfer
	case "wms.transfer_receipt":
		return kindTransferReceipt
	case "erp.inbound":
		return kindInbound
	case "erp.period":
		return kindPeriod
	case "order.placed", "order.paid", "order.cancelled", "order.payment_failed":
		return kindNotBuilt
	}
	return kindUnknown
}

// entry is the kind of the entry that the event makes.
func (k kind) entry() ledger.Kind {
	switch k {
	case kindSale:
		return ledger.KindSale
	case kindReturn:
		return ledger.KindReturn
	case kindReceipt:
		return ledger.KindReceipt
	case kindShipment:
		return ledger.KindShipment
	case kindAdjustment:
		return ledger.KindAdjustment
	case kindStatus:
		return ledger.KindStatus
	case kindCount:
		return ledger.KindCount
	case kindSnapshot:
		return ledger.KindSnapshot
	case kindHeartbeat:
		return ledger.KindHeartbeat
	case kindSaleVoid:
		return ledger.KindSaleVoid
	case kindStockVoid:
		return ledger.KindStockVoid
	case kindTransfer:
		return ledger.KindTransfer
	case kindTransferReceipt:
		return ledger.KindTransferReceipt
	case kindInbound:
		return ledger.KindInbound
	case kindPeriod:
		return ledger.KindPeriod
	}
	return ledger.NoKind
}

// sign is the way in which the quantities of a movement move on hand.
func (k kind) sign() int64 {
	switch k {
	case kindSale, kindShipment, kindTransfer:
		return -1
	case kindStatus: // what changes its condition stays where it is
		return 0
	}
	return 1
}

// hasLines: the others only name a location.
func (k kind) hasLines() bool { return k != kindHeartbeat && !k.void() }

func (k kind) void() bool { return k == kindSaleVoid || k == kindStockVoid }

// ofMoment is the member that says which moment the event speaks of, "" where that is
// its time.
func (k kind) ofMoment() string {
	switch k {
	case kindCount:
		return "counted_at"
	case kindSnapshot, kindHeartbeat:
		return "as_of"
	case kindPeriod:
		return "until"
	}
	return ""
}

func (k kind) takesReservation() bool { return k == kindSale || k == kindShipment }

// takesCondition: the others say nothing of conditions, or of all of them together.
func (k kind) takesCondition() bool {
	return k >= kindReturn && k <= kindAdjustment || k.transfer()
}

// transfer: the event names one.
func (k kind) transfer() bool { return k == kindTransfer || k == kindTransferReceipt }

// mayBeEmpty: that there are no lines says something as well.
func (k kind) mayBeEmpty() bool {
	return k == kindInbound || k == kindTransferReceipt || k == kindSnapshot
}

// skipsZero: in these types a line of quantity 0 is no mistake and does nothing.
func (k kind) skipsZero() bool { return k >= kindSale && k <= kindShipment }
