package jsonread

// MillisMin and MillisMax bound the times that have a form with a year of four
// digits, in milliseconds since 1970: 0001-01-01T00:00:00.000Z and
// 9999-12-31T23:59:59.999Z.
const (
	MillisMin int64 = -62135596800_000
	MillisMax int64 = 253402300799_999
)

const dayMillis = 24 * 60 * 60 * 1000

// ParseTime reads an RFC 3339 time with Z or an offset (t and z may be small)
// into milliseconds since 1970. Finer digits are cut. The leap second, 60 in the
// last minute of a UTC day, counts as the millisecond before midnight. False for
// anything else, for dates that do not exist and for times that in UTC lie
// outside the years 1 to 9999.
func ParseTime(b []byte) (millis int64, ok bool) {
	if len(b) < len("2006-01-02T15:04:05Z") ||
		b[4] != '-' || b[7] != '-' || b[10]|0x20 != 't' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	century, month, day := pair(b, 0), pair(b, 5), pair(b, 8)
	year := century*100 + pair(b, 2)
	hour, minute, second := pair(b, 11), pair(b, 14), pair(b, 17)
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	frac, rest, ok := parseFraction(b[19:])
	if !ok {
		return 0, false
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return 0, false
	}
	clock := hour*60 + minute - offset // minutes since midnight UTC of the local day
	if second == 60 {
		if (clock+1)%(24*60) != 0 {
			return 0, false
		}
		second, frac = 59, 999
	}
	millis = int64(daysSince1970(year, month, day))*dayMillis + int64(clock)*60_000 + int64(second*1000+frac)
	return millis, millis >= MillisMin && millis <= MillisMax
}

// pair is the number in two digits, or one too large for any use of it.
func pair(b []byte, at int) int {
	high, low := b[at]-'0', b[at+1]-'0'
	if high > 9 || low > 9 {
		return 1 << 20
	}
	return int(high)*10 + int(low)
}

// parseFraction reads the decimals of a second, where there are any.
func parseFraction(b []byte) (millis int, rest []byte, ok bool) {
	if b[0] != '.' {
		return 0, b, true
	}
	weight, i := 100, 1
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		millis += int(b[i]-'0') * weight
		weight /= 10
	}
	return millis, b[i:], i > 1
}

// parseOffset reads Z or ±hh:mm, in minutes, to the end of b.
func parseOffset(b []byte) (minutes int, ok bool) {
	if len(b) == 1 {
		return 0, b[0]|0x20 == 'z'
	}
	if len(b) != len("+00:00") || b[3] != ':' {
		return 0, false
	}
	hour, minute := pair(b, 1), pair(b, 4)
	if hour > 23 || minute > 59 {
		return 0, false
	}
	minutes = hour*60 + minute
	switch b[0] {
	case '+':
		return minutes, true
	case '-':
		return -minutes, true
	}
	return 0, false
}

func daysIn(year, month int) int {
	if month == 2 {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (month+month>>3)&1
}

// Years are counted from March here, so that the leap day is the last of its
// year, and days from 1 March of the year 0.
const (
	daysIn400Years = 146_097
	daysBefore1970 = 719_468
)

func daysSince1970(year, month, day int) int {
	month -= 3
	if month < 0 {
		month += 12
		year--
	}
	return year*365 + year/4 - year/100 + year/400 + (153*month+2)/5 + day - 1 - daysBefore1970
}

// AppendTime appends millis since 1970 as RFC 3339 in UTC, always of the form
// 2026-11-23T10:00:00.120Z. What is outside MillisMin and MillisMax is written
// as the nearer of them.
func AppendTime(dst []byte, millis int64) []byte {
	millis = min(max(millis, MillisMin), MillisMax)
	// Counted from 1 March of the year 0 nothing is negative.
	millis += daysBefore1970 * dayMillis
	days, clock := int(millis/dayMillis), int(millis%dayMillis)
	cycle, day := days/daysIn400Years, days%daysIn400Years
	year := (day - day/1460 + day/36_524 - day/146_096) / 365
	day -= year*365 + year/4 - year/100
	month := (5*day + 2) / 153
	day -= (153*month+2)/5 - 1
	year += cycle * 400
	month += 3
	if month > 12 {
		month -= 12
		year++
	}
	b := [24]byte([]byte("0000-00-00T00:00:00.000Z"))
	putPair(&b, 0, year/100)
	putPair(&b, 2, year%100)
	putPair(&b, 5, month)
	putPair(&b, 8, day)
	putPair(&b, 11, clock/3_600_000)
	putPair(&b, 14, clock/60_000%60)
	putPair(&b, 17, clock/1000%60)
	b[20] = '0' + byte(clock/100%10)
	putPair(&b, 21, clock%100)
	return append(dst, b[:]...)
}

func putPair(b *[24]byte, at, v int) {
	b[at], b[at+1] = '0'+byte(v/10), '0'+byte(v%10)
}
