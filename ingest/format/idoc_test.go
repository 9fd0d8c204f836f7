package format

import (
	"strconv"
	"strings"
	"testing"
)

// TestMovementTypesUndone: an even movement type undoes the odd one before it (but 123
// undoes 122), so both together leave on hand and every condition as they were.
func TestMovementTypesUndone(t *testing.T) {
	effect := func(m movementType) map[string]int {
		condition := m.condition
		if condition == "" {
			condition = "sellable"
		}
		switch {
		case m.event == wmsStatus:
			return map[string]int{m.condition: -1, m.to: 1}
		case m.event == wmsReceipt || m.event == "pos.return" || m.event == wmsAdjustment && !m.minus:
			return map[string]int{condition: 1}
		case m.event == wmsShipment || m.event == "pos.sale" || m.event == wmsAdjustment:
			return map[string]int{condition: -1}
		case m.special != "" && m.reversed:
			return map[string]int{m.special: -1}
		case m.special != "":
			return map[string]int{m.special: 1}
		}
		return nil
	}
	pairs := 0
	for code, m := range movementTypes {
		n, err := strconv.Atoi(code)
		if err != nil || len(code) != 3 {
			t.Fatalf("movement type %q", code)
		}
		undo, ok := movementTypes[strconv.Itoa(n+1)]
		// 303 and 305 are two halves of a transfer and are not undone here.
		if n%2 == 0 && code != "122" || code == "123" || code == "303" || code == "305" {
			continue
		}
		if !ok {
			t.Errorf("%s has no reversal", code)
		}
		sum := effect(m)
		for condition, n := range effect(undo) {
			if sum == nil {
				t.Errorf("%s moves nothing and its reversal does", code)
				break
			}
			sum[condition] += n
		}
		for condition, n := range sum {
			if n != 0 {
				t.Errorf("%s and its reversal leave %d in %s", code, n, condition)
			}
		}
		pairs++
	}
	if pairs < 30 {
		t.Errorf("only %d pairs", pairs)
	}
}

func TestMovementTypeConfigured(t *testing.T) {
	f := func(said, want string) {
		t.Helper()
		o := &Options{Movement: map[string]string{"101": said}}
		m, bad := o.movementType("101")
		got := m.event
		if m.minus {
			got += " -"
		}
		if bad != nil {
			got = bad.Field
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("wms.shipment", "wms.shipment")
	f("wms.receipt", "wms.receipt")
	f("wms.adjustment:-", "wms.adjustment -")
	f("wms.adjustment:+", "wms.adjustment")
	f("pos.return", "pos.return")
	f("none", "")
	f("wms.adjustment", "MOVE_TYPE")
	f("wms.receipt:-", "MOVE_TYPE")
	f("wms.count", "MOVE_TYPE")
	f("", "MOVE_TYPE")
}

func TestMaterial(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		if got := material(s); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("000000000000022720", "22720")
	f(strings.Repeat("0", 35)+"22720", "22720")
	f("000000000000000000", "0")
	f("0000012345670", "0000012345670") // an EAN
	f("00000000000085123A", "00000000000085123A")
	f("85123A", "85123A")
	f("", "")
}

func FuzzIDoc(f *testing.F) {
	fuzz(f, "idoc", &Options{}, &Options{Location: "0421", PartBytesMax: 1 << 10, LinesMax: 3})
}
