package retailer

import (
	"errors"
	"fmt"
	"time"
)

// Config says how big the retailer is and how it behaves. Zero fields take the default named beside
// them; only Start has none, since nothing here reads a clock.
type Config struct {
	Stores     int     // shops with tills; default 300
	Warehouses int     // distribution centres on top of the stores, each carrying everything; default 3, negative: none
	SKUs       int     // items in the catalogue; default 20,000
	Seed       uint64  // everything follows from it, 0 is a seed like any other
	Rate       float64 // records per second, the mean over a day; default 2,000
	Flat       bool    // the same rate all day instead of quiet nights and busy evenings

	// Start is the moment before which nothing moves: opening stock is counted just before it, and
	// no event of the stream is older, or the opening count would be taken to cover it.
	Start time.Time

	// Coverage is the mean share of the catalogue that a store carries, above 0 up to 1; default
	// 0.166. With 1 every store carries everything and a position costs 4 bytes, else 8.
	Coverage float64
	// Skew is the exponent of the Zipf curve of sales: the item of rank r sells about 1/r^Skew as
	// often as the first; default 1, at most 3, negative: all sell alike.
	Skew float64
	// BasketMax is the most lines of a sale; default 12, which makes four or five on average.
	BasketMax int
	// DuplicateShare is the part of the stream that repeats a recent record byte for byte; default
	// 0.01, negative: none.
	DuplicateShare float64
	// LateShare is the part of the stream that arrives a minute to an hour after its time; default
	// 0.01, negative: none.
	LateShare float64

	// Epoch goes into the id of every event. A run that continues another one against the same
	// service needs an Epoch that was never used, or its events would bear the names of older ones.
	// Up to 32 letters, digits, '.', '_' and '-'; default empty.
	Epoch string
}

func (c Config) withDefaults() Config {
	c.Stores = orDefault(c.Stores, 300)
	c.Warehouses = max(orDefault(c.Warehouses, 3), 0)
	c.SKUs = orDefault(c.SKUs, 20_000)
	c.Rate = orDefault(c.Rate, 2_000)
	c.BasketMax = max(orDefault(c.BasketMax, 12), 1)
	c.Coverage = orDefault(c.Coverage, 0.166)
	c.Skew = max(orDefault(c.Skew, 1), 0)
	c.DuplicateShare = max(orDefault(c.DuplicateShare, 0.01), 0)
	c.LateShare = max(orDefault(c.LateShare, 0.01), 0)
	c.Start = c.Start.UTC().Truncate(time.Millisecond)
	return c
}

func orDefault[T int | float64](given, fallback T) T {
	if given == 0 {
		return fallback
	}
	return given
}

// validate reports every complaint about a config with its defaults filled in.
func (c Config) validate() error {
	var all []error
	complain := func(wrong bool, format string, args ...any) {
		if wrong {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	complain(c.Stores < 1 || c.Stores > 100_000, "stores: %d is not within 1 and 100,000", c.Stores)
	complain(c.Warehouses > 100, "warehouses: %d is more than 100", c.Warehouses)
	complain(c.SKUs < 1 || c.SKUs > 10_000_000, "skus: %d is not within 1 and 10,000,000", c.SKUs)
	complain(!(c.Rate > 0), "rate: %g records a second is not above 0", c.Rate)
	complain(!(c.Coverage > 0 && c.Coverage <= 1), "coverage: %g is not above 0 and up to 1", c.Coverage)
	complain(!(c.Skew <= 3), "skew: %g is above 3", c.Skew)
	complain(!(c.DuplicateShare <= 0.5), "duplicate share: %g is above 0.5", c.DuplicateShare)
	complain(!(c.LateShare <= 0.5), "late share: %g is above 0.5", c.LateShare)
	complain(c.Start.Year() < 1970 || c.Start.Year() > 9999, "start: %s is not a moment to begin at", c.Start.Format(time.RFC3339))
	complain(!plainEpoch(c.Epoch), "epoch: %q is not up to 32 letters, digits, '.', '_' and '-'", c.Epoch)
	return errors.Join(all...)
}

// plainEpoch keeps out what would have to be escaped in JSON: ids are appended as they are.
func plainEpoch(epoch string) bool {
	for _, c := range []byte(epoch) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return len(epoch) <= 32
}
