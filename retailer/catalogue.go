package retailer

import (
	"fmt"
	"math/rand/v2"
)

// catalogue is what can be sold. Items are numbered by how well they sell: 0 is the best seller. Their
// codes are scattered, so neither a list in order of code nor a hash of it knows the best sellers.
type catalogue struct {
	skus     []string
	indexOf  map[string]int32
	category []uint8
	weighed  []bool
}

// Item is master data of one SKU; marshalled, it is the body of its PUT.
type Item struct {
	SKU      string  `json:"-"`
	GTIN     string  `json:"gtin"`
	Category string  `json:"category"`
	Decimals int     `json:"decimals"` // 0: pieces, 3: kilograms to the gram
	Aliases  Aliases `json:"aliases"`
}

// Aliases are the codes by which other systems call an item or a location.
type Aliases struct {
	POS []string `json:"pos,omitempty"`
	ERP []string `json:"erp,omitempty"`
}

// freshCategories is how many of categories, from the front, are sold by weight as well.
const freshCategories = 6

var categories = []string{
	"fruit", "vegetables", "meat", "fish", "cheese", "delicatessen",
	"dairy", "eggs", "bread", "pastry", "frozen-meals", "ice-cream", "breakfast", "spreads", "coffee",
	"tea", "soft-drinks", "juice", "water", "beer", "wine", "snacks", "confectionery", "pasta-and-rice",
	"sauces", "canned-food", "baby", "pet-food", "personal-care", "household",
}

func newCatalogue(config Config) catalogue {
	n := config.SKUs
	c := catalogue{
		skus:     make([]string, n),
		indexOf:  make(map[string]int32, n),
		category: make([]uint8, n),
		weighed:  make([]bool, n),
	}
	rng := config.random(purposeCatalogue, 0)
	codes := make([]byte, 0, n*13)
	for i := range n {
		c.weighed[i] = rng.IntN(20) == 0
		c.category[i] = pickCategory(rng, c.weighed[i])
		codes = appendCode(codes, codeNumber(config.Seed, i), c.weighed[i])
	}
	// One string for all codes: picking a SKU then touches few cache lines and allocates nothing.
	all := string(codes)
	for i := range n {
		c.skus[i] = all[i*13 : i*13+13]
		c.indexOf[c.skus[i]] = int32(i)
	}
	return c
}

func pickCategory(rng *rand.Rand, weighed bool) uint8 {
	if weighed {
		return uint8(rng.IntN(freshCategories))
	}
	return uint8(rng.IntN(len(categories)))
}

// codeNumber maps items to different numbers below 10^9: the factor shares no divisor with it.
func codeNumber(seed uint64, item int) uint64 {
	const numbers, factor = 1_000_000_000, 618_033_989
	return (uint64(item)*factor + seed%numbers) % numbers
}

// appendCode appends a GTIN-13: the Dutch prefix, or one from the range for goods weighed in the store.
func appendCode(b []byte, number uint64, weighed bool) []byte {
	prefix := "871"
	if weighed {
		prefix = "220"
	}
	from := len(b)
	b = append(b, prefix...)
	b = appendPadded(b, number, 9)
	return append(b, checkDigit(b[from:]))
}

// checkDigit is the last digit of a GTIN over the digits before it: weights 3 and 1 from the right.
func checkDigit(digits []byte) byte {
	sum, weight := 0, 3
	for i := len(digits) - 1; i >= 0; i-- {
		sum += int(digits[i]-'0') * weight
		weight = 4 - weight
	}
	return byte('0' + (10-sum%10)%10)
}

func (c *catalogue) item(i int) Item {
	it := Item{
		SKU:      c.skus[i],
		GTIN:     "0" + c.skus[i],
		Category: categories[c.category[i]],
		Aliases:  Aliases{ERP: []string{fmt.Sprintf("MAT-%07d", i+1)}},
	}
	if c.weighed[i] {
		it.Decimals = 3
		it.Aliases.POS = []string{fmt.Sprintf("PLU-%05d", i+1)}
	}
	return it
}

// unit is how many smallest steps make one piece or one kilogram of an item.
func (c *catalogue) unit(item int32) int32 {
	if c.weighed[item] {
		return 1000
	}
	return 1
}
