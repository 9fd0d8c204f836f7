package retailer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
)

// Location is master data of a store or warehouse; marshalled, it is the body of its PUT.
type Location struct {
	ID       string  `json:"-"`
	Name     string  `json:"name"`
	Kind     string  `json:"kind"` // store or warehouse
	Lat      float64 `json:"lat"`
	Lon      float64 `json:"lon"`
	TimeZone string  `json:"time_zone"`
	Priority int     `json:"priority,omitempty"` // for sourcing, 1 first; 0: none
	Ships    bool    `json:"ships"`
	Active   bool    `json:"active"`
	Pickup   *Pickup `json:"pickup,omitempty"` // nil: nobody collects there
	Aliases  Aliases `json:"aliases"`
}

// Pickup says when baskets can be collected.
type Pickup struct {
	LeadMinutes int                 `json:"lead_minutes"` // of open time
	Cutoff      string              `json:"cutoff,omitempty"`
	Hours       Hours               `json:"hours"`
	Exceptions  map[string][]string `json:"exceptions,omitempty"` // by date
}

// Hours are opening hours by weekday in local time; an empty day is a closed one.
type Hours struct {
	Mon []string `json:"mon"`
	Tue []string `json:"tue"`
	Wed []string `json:"wed"`
	Thu []string `json:"thu"`
	Fri []string `json:"fri"`
	Sat []string `json:"sat"`
	Sun []string `json:"sun"`
}

// format is a kind of store. Formats alternate by store number, so the mean over all stores is the
// mean over this table.
type format struct {
	size      float64 // -1 to 1: how far its assortment is from the mean towards the smallest or largest
	customers int     // its share of all baskets
	tills     int
}

var formats = [5]format{{-1, 2, 2}, {-0.5, 4, 4}, {0, 5, 5}, {0.5, 6, 6}, {1, 8, 8}}

func formatOf(store int) format { return formats[store%len(formats)] }

const tillsMax = 8

type city struct {
	name     string
	lat, lon float64
}

var cities = []city{
	{"Amsterdam", 52.370, 4.895}, {"Rotterdam", 51.922, 4.479}, {"Den Haag", 52.078, 4.313},
	{"Utrecht", 52.091, 5.122}, {"Eindhoven", 51.441, 5.470}, {"Groningen", 53.219, 6.567},
	{"Tilburg", 51.560, 5.091}, {"Almere", 52.371, 5.222}, {"Breda", 51.589, 4.776},
	{"Nijmegen", 51.843, 5.859}, {"Apeldoorn", 52.211, 5.970}, {"Haarlem", 52.381, 4.637},
	{"Arnhem", 51.985, 5.898}, {"Enschede", 52.221, 6.894}, {"Amersfoort", 52.156, 5.387},
	{"Zaanstad", 52.438, 4.826}, {"Den Bosch", 51.690, 5.304}, {"Zwolle", 52.516, 6.083},
	{"Leiden", 52.160, 4.497}, {"Zoetermeer", 52.061, 4.494}, {"Leeuwarden", 53.201, 5.799},
	{"Maastricht", 50.851, 5.691}, {"Dordrecht", 51.813, 4.690}, {"Ede", 52.048, 5.665},
	{"Alphen", 52.129, 4.657}, {"Alkmaar", 52.632, 4.748}, {"Emmen", 52.785, 6.897},
	{"Delft", 52.012, 4.357}, {"Venlo", 51.370, 6.172}, {"Deventer", 52.251, 6.160},
	{"Hilversum", 52.224, 5.176}, {"Roosendaal", 51.531, 4.465}, {"Middelburg", 51.499, 3.611},
	{"Assen", 52.993, 6.564}, {"Hoorn", 52.642, 5.060}, {"Heerlen", 50.888, 5.979},
}

var streets = []string{
	"Dam", "Marktplein", "Stationsweg", "Kerkstraat", "Hoofdstraat", "Molenweg", "Dorpsplein",
	"Oosterpark", "Westhaven", "Zuidplein", "Noorderlaan", "Lindelaan", "Havenkade", "Raadhuisplein",
}

var warehouseSites = []city{{"Tilburg", 51.575, 5.050}, {"Zwolle", 52.500, 6.120}, {"Zaandam", 52.440, 4.800}}

func newLocations(config Config) []Location {
	rng := config.random(purposeLocations, 0)
	christmas := fmt.Sprintf("%04d-12-25", config.Start.Year())
	all := make([]Location, 0, config.Stores+config.Warehouses)
	for i := range config.Stores {
		all = append(all, newStore(rng, i, christmas))
	}
	for i := range config.Warehouses {
		all = append(all, newWarehouse(rng, i))
	}
	return all
}

func newStore(rng *rand.Rand, index int, christmas string) Location {
	c := cities[rng.IntN(len(cities))]
	number := index + 1
	l := Location{
		ID:       fmt.Sprintf("%04d", number),
		Name:     c.name + " " + streets[index%len(streets)],
		Kind:     "store",
		Lat:      near(rng, c.lat),
		Lon:      near(rng, c.lon),
		TimeZone: timeZone,
		Ships:    rng.IntN(5) == 0,
		Active:   true,
		Aliases:  Aliases{POS: []string{strconv.Itoa(number)}, ERP: []string{fmt.Sprintf("NL-%04d", number)}},
	}
	if l.Ships {
		l.Priority = 10
	}
	if rng.IntN(10) > 0 {
		l.Pickup = newPickup(rng, christmas)
	}
	return l
}

func newPickup(rng *rand.Rand, christmas string) *Pickup {
	pick := func(of ...string) []string { return []string{of[rng.IntN(len(of))]} }
	p := &Pickup{
		LeadMinutes: []int{30, 60, 60, 120}[rng.IntN(4)],
		Cutoff:      []string{"", "17:00", "18:00", "20:00"}[rng.IntN(4)],
		Exceptions:  map[string][]string{christmas: {}},
	}
	week := pick("08:00-22:00", "08:00-20:00", "07:00-22:00")
	p.Hours = Hours{Mon: week, Tue: week, Wed: week, Thu: week, Fri: week, Sat: pick("08:00-21:00", "08:00-18:00"), Sun: []string{}}
	if rng.IntN(4) > 0 {
		p.Hours.Sun = pick("10:00-18:00", "12:00-20:00")
	}
	return p
}

func newWarehouse(rng *rand.Rand, index int) Location {
	site := warehouseSites[index%len(warehouseSites)]
	return Location{
		ID:       fmt.Sprintf("dc%d", index+1),
		Name:     fmt.Sprintf("DC %s %d", site.name, index+1),
		Kind:     "warehouse",
		Lat:      near(rng, site.lat),
		Lon:      near(rng, site.lon),
		TimeZone: timeZone,
		Priority: index + 1,
		Ships:    true,
		Active:   true,
		Aliases:  Aliases{ERP: []string{fmt.Sprintf("NL-DC%d", index+1)}},
	}
}

// near moves a coordinate by up to 0.05 degrees, to five decimals (a metre).
func near(rng *rand.Rand, degrees float64) float64 {
	return math.Round((degrees+(rng.Float64()-0.5)*0.1)*1e5) / 1e5
}
