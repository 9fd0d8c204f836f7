package format

import (
	"fmt"
	"time"
)

// zone is the one that times of a location without an offset are of. A name that nobody
// knows is the configuration's fault and was refused with it: here it counts as not given.
func (o *Options) zone(location string) *time.Location {
	if name, ok := o.Zones[location]; ok {
		if z, err := time.LoadLocation(name); err == nil {
			return z
		}
	}
	if o.Zone != nil {
		return o.Zone
	}
	return time.UTC
}

// localTime reads a time without an offset as the clock on the location's wall shows it.
// One that the clocks passed over in spring does not exist and is refused; of one that
// they showed twice in autumn it is the first.
func (o *Options) localTime(location, layout, value string) (time.Time, error) {
	wall, err := time.Parse(layout, value) // a date that does not exist ends here
	if err != nil {
		return time.Time{}, fmt.Errorf("a time like %s", layout)
	}
	z := o.zone(location)
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), z)
	if t.Hour() != wall.Hour() || t.Minute() != wall.Minute() || t.Day() != wall.Day() {
		return time.Time{}, fmt.Errorf("a time that the clocks of %s showed", z)
	}
	// time.Date does not say which of two it gives. Clocks go back by an hour, on Lord Howe
	// by half of one.
	for _, back := range [...]time.Duration{time.Hour, time.Hour / 2} {
		if e := t.Add(-back); sameWall(e, t) {
			return e, nil
		}
	}
	return t, nil
}

// dayBegins is the first moment of a day at a location; of date its year, month and day count. Where
// clocks go forward at midnight it is later than that, for instance 01:00.
func (o *Options) dayBegins(location string, date time.Time) time.Time {
	z := o.zone(location)
	t := time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, z)
	if t.Hour() > 12 { // midnight was passed over, and time.Date gave what is before
		_, next := t.ZoneBounds()
		return next
	}
	if first := t.Add(-time.Hour); sameWall(first, t) { // of two midnights
		return first
	}
	return t
}

// dayEnds is the last second of a day, by which a figure that says no more than its day is told.
func (o *Options) dayEnds(location string, date time.Time) time.Time {
	return o.dayBegins(location, date.AddDate(0, 0, 1)).Add(-time.Second)
}

func sameWall(a, b time.Time) bool {
	const wall = "2006-01-02T15:04:05.999999999"
	return a.Format(wall) == b.Format(wall)
}
