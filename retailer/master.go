package retailer

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// MasterData announces all locations and then all items, as of just before the opening counts. It can
// be repeated and gives the same bytes each time. Its records are not in the Tally.
func (r *Retailer) MasterData() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		id := uint64(0)
		for i, l := range r.locations {
			id++
			data := struct {
				ID string `json:"location"`
				Location
			}{l.ID, l}
			if !yield(Record{Topic: TopicERP, Key: r.keys[i], Value: r.masterEvent("erp.location", id, data)}) {
				return
			}
		}
		for _, i := range r.bySKU() {
			id++
			item := r.catalogue.item(int(i))
			data := struct {
				ID string `json:"sku"`
				Item
			}{item.SKU, item}
			if !yield(Record{Topic: TopicERP, Key: []byte(item.SKU), Value: r.masterEvent("erp.item", id, data)}) {
				return
			}
		}
	}
}

// bySKU orders items by code: in the order of sales, whoever numbers items as they come would have the
// best sellers side by side, as no real catalogue has them.
func (r *Retailer) bySKU() []int32 {
	order := make([]int32, len(r.catalogue.skus))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return strings.Compare(r.catalogue.skus[a], r.catalogue.skus[b])
	})
	return order
}

func (r *Retailer) masterEvent(kind string, id uint64, data any) []byte {
	value, err := json.Marshal(struct {
		SpecVersion string `json:"specversion"`
		Type        string `json:"type"`
		Source      string `json:"source"`
		ID          string `json:"id"`
		Time        string `json:"time"`
		Data        any    `json:"data"`
	}{
		"1.0", kind, "erp", string(appendID(nil, r.config.Epoch, id)),
		r.config.Start.Add(-2 * time.Millisecond).Format("2006-01-02T15:04:05.000Z"), data,
	})
	if err != nil {
		panic(fmt.Sprintf("encode %s: %v", kind, err)) // our own struct of strings and numbers
	}
	return value
}
