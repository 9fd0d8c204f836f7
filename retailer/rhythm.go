package retailer

import "time"

// busyAt is how much is sold around each full hour of the local day, in parts of the busiest hour.
var busyAt = [24]float64{
	2, 1, 1, 1, 1, 2, 6, 20, 45, 60, 70, 78,
	80, 74, 70, 74, 88, 100, 92, 70, 50, 35, 18, 6,
}

// RateAt says how many records a second are due at a moment. Over a day of 24 hours its mean is
// Config.Rate.
func (r *Retailer) RateAt(now time.Time) float64 {
	if r.config.Flat {
		return r.config.Rate
	}
	return r.config.Rate * rhythm(now.In(r.zone))
}

// rhythm has the mean 1: straight lines from hour to hour keep the mean of the hours.
func rhythm(local time.Time) float64 {
	sum := 0.0
	for _, b := range busyAt {
		sum += b
	}
	hour := local.Hour()
	since := float64(local.Minute()*60+local.Second()) / 3600
	level := busyAt[hour]*(1-since) + busyAt[(hour+1)%24]*since
	return level * 24 / sum
}
