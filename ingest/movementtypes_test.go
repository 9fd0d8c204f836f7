package ingest

import (
	"strings"
	"testing"
)

// TestMovementTypesConfigured: what an IDoc's movement types do is judged at the start, not
// at the first document that has one.
func TestMovementTypesConfigured(t *testing.T) {
	f := func(types, want string) {
		t.Helper()
		_, err := ReadSources(strings.NewReader(`{"sources":[{"source":"erp/eu","format":"idoc","topic":"eu.idoc","movement_types":`+types+`}]}`),
			func(string) string { return "" })
		if err == nil && want != "" || err != nil && (want == "" || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(`{}`, "")
	f(`{"901":"wms.adjustment:-","902":"none","903":"pos.sale"}`, "")
	f(`{"901":"wms.adjustment"}`, `sources[0].movement_types.901: want wms.receipt`)
	f(`{"901":"wms.count"}`, `got "wms.count"`)
	f(`{"901":""}`, `movement_types.901`)
}
