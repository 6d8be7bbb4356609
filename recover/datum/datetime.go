package datum

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/pgrescue/pgrescue/recover/binreader"
)

// Units of time, in microseconds, and the bounds of what PostgreSQL can store
// (datatype/timestamp.h): from 4714-11-24 BC on.
const (
	microsPerSecond = 1_000_000
	microsPerMinute = 60 * microsPerSecond
	microsPerHour   = 60 * microsPerMinute
	microsPerDay    = 24 * microsPerHour

	minDate      = -2451545             // days from 2000-01-01, DATETIME_MIN_JULIAN
	endDate      = 2147483494 - 2451545 // DATE_END_JULIAN
	minTimestamp = -211813488000000000  // MIN_TIMESTAMP
	endTimestamp = 9223371331200000000  // END_TIMESTAMP
	maxZone      = 16 * 60 * 60         // seconds; MAX_TZDISP_HOUR is 15
	daysToEpoch  = 730425               // from 0000-03-01 to 2000-01-01
)

var (
	errDateRange = errors.New("date: out of range")
	errTimestamp = errors.New("timestamp: out of range")
	errTimeRange = errors.New("time: out of range")
)

// appendDate follows date_out (date.c): days since 2000-01-01.
func appendDate(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	days := r.Int32()
	if err := whole(&r, "date"); err != nil {
		return dst, err
	}
	switch {
	case days == math.MinInt32:
		return append(dst, "-infinity"...), nil
	case days == math.MaxInt32:
		return append(dst, "infinity"...), nil
	case days < minDate || days >= endDate:
		return dst, errDateRange
	}
	dst, bc := appendDay(dst, int64(days))
	return appendEra(dst, bc), nil
}

func appendTimestamp(dst, raw []byte) ([]byte, error) { return appendMoment(dst, raw, false) }

func appendTimestampTZ(dst, raw []byte) ([]byte, error) { return appendMoment(dst, raw, true) }

// appendMoment follows timestamp_out and timestamptz_out (timestamp.c):
// microseconds since 2000-01-01, the latter in UTC.
func appendMoment(dst, raw []byte, zone bool) ([]byte, error) {
	r := binreader.New(raw)
	micros := r.Int64()
	if err := whole(&r, "timestamp"); err != nil {
		return dst, err
	}
	switch {
	case micros == math.MinInt64:
		return append(dst, "-infinity"...), nil
	case micros == math.MaxInt64:
		return append(dst, "infinity"...), nil
	case micros < minTimestamp || micros >= endTimestamp:
		return dst, errTimestamp
	}
	days, rest := micros/microsPerDay, micros%microsPerDay
	if rest < 0 {
		days, rest = days-1, rest+microsPerDay
	}
	dst, bc := appendDay(dst, days)
	dst = appendClock(append(dst, ' '), rest)
	if zone {
		dst = append(dst, "+00"...)
	}
	return appendEra(dst, bc), nil
}

// appendTime follows time_out (date.c): microseconds since midnight.
func appendTime(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	micros := r.Int64()
	if err := whole(&r, "time"); err != nil {
		return dst, err
	}
	if micros < 0 || micros > microsPerDay {
		return dst, errTimeRange
	}
	return appendClock(dst, micros), nil
}

// appendTimeTZ follows timetz_out (date.c): microseconds since midnight, then
// the zone in seconds west of Greenwich.
func appendTimeTZ(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	micros, zone := r.Int64(), int(r.Int32())
	if err := whole(&r, "time with time zone"); err != nil {
		return dst, err
	}
	if micros < 0 || micros > microsPerDay {
		return dst, errTimeRange
	}
	if zone <= -maxZone || zone >= maxZone {
		return dst, fmt.Errorf("time with time zone: a zone of %d seconds", zone)
	}
	dst = appendClock(dst, micros)
	sign := byte('+')
	if zone > 0 {
		sign = '-'
	}
	zone = max(zone, -zone)
	dst = appendTwo(append(dst, sign), zone/3600)
	if zone%3600 != 0 {
		dst = appendTwo(append(dst, ':'), zone/60%60)
	}
	if zone%60 != 0 {
		dst = appendTwo(append(dst, ':'), zone%60)
	}
	return dst, nil
}

// appendDay appends year, month and day of a day counted from 2000-01-01, in
// the Gregorian calendar also before its time. There is no year 0: the year
// before 1 is 1 BC.
func appendDay(dst []byte, days int64) (text []byte, bc bool) {
	// Years are counted from March, so that the leap day is the last of a year;
	// 400 years, an era, always have 146097 days.
	const eraDays = 146097
	days += daysToEpoch
	era := days / eraDays
	if days < 0 {
		era = (days - eraDays + 1) / eraDays
	}
	day := days - era*eraDays
	yearOfEra := (day - day/1460 + day/36524 - day/146096) / 365
	dayOfYear := day - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month := (5*dayOfYear + 2) / 153
	dayOfMonth := dayOfYear - (153*month+2)/5 + 1
	year := era*400 + yearOfEra
	month += 3
	if month > 12 {
		month, year = month-12, year+1
	}
	if year <= 0 {
		bc, year = true, 1-year
	}
	if year > 9999 {
		dst = strconv.AppendInt(dst, year, 10)
	} else {
		dst = appendTwo(appendTwo(dst, int(year/100)), int(year%100))
	}
	dst = appendTwo(append(dst, '-'), int(month))
	return appendTwo(append(dst, '-'), int(dayOfMonth)), bc
}

func appendEra(dst []byte, bc bool) []byte {
	if bc {
		return append(dst, " BC"...)
	}
	return dst
}

// appendClock appends hours, minutes, seconds and, if there are any,
// microseconds without trailing zeros.
func appendClock(dst []byte, micros int64) []byte {
	dst = appendTwo(dst, int(micros/microsPerHour))
	dst = appendTwo(append(dst, ':'), int(micros/microsPerMinute%60))
	return appendSeconds(append(dst, ':'), micros%microsPerMinute)
}

// appendSeconds follows AppendSeconds (datetime.c); micros is less than a minute.
func appendSeconds(dst []byte, micros int64) []byte {
	dst = appendTwo(dst, int(micros/microsPerSecond))
	fraction := micros % microsPerSecond
	if fraction == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(microsPerSecond / 10); fraction > 0; unit /= 10 {
		dst = append(dst, byte('0'+fraction/unit))
		fraction %= unit
	}
	return dst
}

// appendTwo appends a number below 100 with two digits.
func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// appendInfiniteInterval decodes an interval where all fields extreme are infinity.
func appendInfiniteInterval(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	micros, days, months := r.Int64(), r.Int32(), r.Int32()
	switch {
	case micros == math.MaxInt64 && days == math.MaxInt32 && months == math.MaxInt32:
		return append(dst, "infinity"...), nil
	case micros == math.MinInt64 && days == math.MinInt32 && months == math.MinInt32:
		return append(dst, "-infinity"...), nil
	}
	return appendInterval(dst, raw)
}

// appendInterval follows interval_out (timestamp.c) with IntervalStyle
// postgres: months, days and microseconds, each with a sign of its own.
func appendInterval(dst, raw []byte) ([]byte, error) {
	r := binreader.New(raw)
	micros, days, months := r.Int64(), r.Int32(), r.Int32()
	if err := whole(&r, "interval"); err != nil {
		return dst, err
	}
	start := len(dst)
	before := false // the part before was negative: a plus is needed
	for _, part := range [...]struct {
		count int32
		unit  string
	}{{months / 12, " year"}, {months % 12, " mon"}, {days, " day"}} {
		if part.count == 0 {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		if before && part.count > 0 {
			dst = append(dst, '+')
		}
		dst = append(strconv.AppendInt(dst, int64(part.count), 10), part.unit...)
		if part.count != 1 {
			dst = append(dst, 's')
		}
		before = part.count < 0
	}
	if micros == 0 && len(dst) > start {
		return dst, nil
	}
	if len(dst) > start {
		dst = append(dst, ' ')
	}
	switch {
	case micros < 0:
		dst = append(dst, '-')
	case before:
		dst = append(dst, '+')
	}
	return appendHours(dst, micros), nil
}

// appendHours appends a time without its sign; the hours may have any number of
// digits, two at least.
func appendHours(dst []byte, micros int64) []byte {
	hours, rest := micros/microsPerHour, micros%microsPerHour
	hours, rest = max(hours, -hours), max(rest, -rest)
	if hours < 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendInt(dst, hours, 10)
	dst = appendTwo(append(dst, ':'), int(rest/microsPerMinute))
	return appendSeconds(append(dst, ':'), rest%microsPerMinute)
}
