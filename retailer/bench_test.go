package retailer

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkNext(b *testing.B) {
	r := mustNew(b, Config{Start: morning})
	now, size := morning, 0
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(3 * time.Microsecond)
		size += len(r.Next(now).Value)
	}
	b.ReportMetric(float64(size)/float64(b.N), "bytes/record")
	b.ReportMetric(float64(r.Tally().Lines)/float64(b.N), "lines/record")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkNew(b *testing.B) {
	for _, config := range []Config{
		{Start: morning, SKUs: 20_000},
		{Start: morning, SKUs: 100_000, Coverage: 1},
	} {
		b.Run(fmt.Sprintf("skus=%d", config.SKUs), func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n = mustNew(b, config).Positions()
			}
			b.ReportMetric(float64(n), "positions")
		})
	}
}
